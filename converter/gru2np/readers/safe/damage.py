"""Errors of readers: a file is damaged, hostile or of another kind."""

from __future__ import annotations

import struct
import tokenize
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from gru2np.errors import Gru2npError, ModelFileError
from gru2np.errors import shown as shown
from gru2np_runtime.errors import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

#: All errors that h5py, zipfile, json and NumPy raised on damaged files.
#: UnicodeError and JSONDecodeError are ValueErrors, RecursionError and zipfile's
#: NotImplementedError are RuntimeErrors; h5py raises TypeError for unknown types.
#: NumPy reads the header of an array as tokens of Python if it is no literal.
DAMAGE = (
    BadZipFile,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
)


def broken(where: str, expected: str, got: str, advice: str = "") -> ModelFileError:
    """An error: where, expected, got, what to do."""
    advice = advice or (
        "the file is damaged or was not written by Keras: save the model again with "
        'model.save("model.keras")'
    )
    return ModelFileError(f"{_plain(where)}: expected {expected}, got {got}; {advice}")


def _plain(text: str, limit: int = 200) -> str:
    # Names in the text come from the file: no line breaks, terminal codes, long texts.
    text = plain(text)
    half = limit // 2 - 2
    return text if len(text) <= limit else f"{text[:half]}...{text[-half:]}"


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn all errors of libraries on damaged files into a ModelFileError."""
    try:
        yield
    except Gru2npError:
        raise
    except DAMAGE as error:
        reason = _plain(" ".join(str(error).split())) or type(error).__name__
        raise ModelFileError(
            f"{_plain(where)}: cannot be read ({reason}); the file is damaged or cut "
            'short, fetch it again or save it again with model.save("model.keras")'
        ) from error
