"""``python -m gru2np``: the same as the command ``gru2np``."""

from gru2np.cli import main

if __name__ == "__main__":
    main()
