"""The errors of the runtime, with one base class.

Gru2npError
├── BundleError (ValueError)       a bundle is damaged, hostile or too new
├── CustomObjectError (TypeError)  a class or function of the user's own is wrong
└── InputError (ValueError)        data or a state does not fit the model
"""


def plain(text: str) -> str:
    """A text with names from a file, without line breaks and codes of terminals."""
    return text if text.isprintable() else "".join(map(_printable, text))


def plain_lines(text: str) -> str:
    """The same of a text in lines, which stay."""
    return "\n".join(map(plain, text.split("\n")))


def _printable(character: str) -> str:
    return character if character.isprintable() else "?"


class Gru2npError(Exception):
    """The base class of every error that gru2np raises on purpose."""


class BundleError(Gru2npError, ValueError):
    """A bundle that breaks a rule of ``docs/bundle.md``.

    Its message has lines that a terminal can show, whatever the bundle's names are.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain_lines(message))


class CustomObjectError(Gru2npError, TypeError):
    """A custom class or function that fails, or is of the wrong kind."""


class InputError(Gru2npError, ValueError):
    """Data or a state that does not fit the model."""


class Unsupported(ValueError):
    """A valid option of a layer that this project does not support."""
