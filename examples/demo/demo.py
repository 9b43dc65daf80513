"""Inspect, export, predict and stream a model that Keras 2.1.4 saved."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from gru2np_runtime import load

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "demo-output"
SHADES = " ░▒▓█"


def run(command: str) -> None:
    """Print a shell command, and run it."""
    print(f"\n$ {command}", flush=True)
    program, *arguments = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    subprocess.run([path, *arguments], check=True, cwd=OUT)


def stream(picture: np.ndarray, digit: int) -> int:
    """Run one picture row by row, and print the guess after each row."""
    model = load(OUT / "digits.npz")
    state = model.initial_state(batch_size=1)
    guess = -1
    for row in picture:
        probabilities, state = model.step(row[None], state)
        guess = int(probabilities.argmax())
        pixels = "".join(2 * SHADES[min(int(value * 5), 4)] for value in row)
        bar = "━" * round(float(probabilities.max()) * 20)
        print(f"    {pixels}  {guess}  {bar} {probabilities.max():.0%}")
    print(f"    the digit is {digit}")
    return guess


def main() -> int:
    """Run the demo; returns 0 if the predictions agree with those of Keras."""
    OUT.mkdir(exist_ok=True)
    found = importlib.util.find_spec("tensorflow") or importlib.util.find_spec("keras")
    print(f"TensorFlow or Keras installed here: {'yes' if found else 'no'}")
    print(
        "digits.h5: a GRU that reads digits row by row, saved by Keras 2.1.4 in 2018's"
    )
    print("Keras 3.15 cannot open it.")
    for name in ("digits.h5", "pictures.npy"):
        (OUT / name).write_bytes((HERE / name).read_bytes())
    run("gru2np inspect digits.h5")
    run("gru2np export digits.h5 --force")
    run("gru2np predict digits.npz -i pictures.npy -o predictions.npy --force")
    ours = np.load(OUT / "predictions.npy")
    keras = np.load(HERE / "keras-predictions.npy")
    difference = float(np.abs(ours - keras).max())
    agrees = difference < 1e-5
    print("\ncompared with the predictions of Keras 2.1.4 for ten pictures:")
    print(
        f"    largest difference {difference:.1e}: {'agrees' if agrees else 'DIFFERS'}"
    )
    print("\none row at a time, with an explicit state:\n")
    pictures = np.load(HERE / "pictures.npy")
    for digit in (3, 8):
        last = stream(pictures[digit], digit)
        agrees = agrees and last == int(keras[digit, -1].argmax())
        print()
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
