"""The files of a model, and the kind of each, recognised by its bytes, not its name.

TensorFlow up to 2.12 writes HDF5 into files called ``.keras``, and downloads are
often not models at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gru2np.errors import Gru2npError, ModelFileError
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.sstable import is_table
from gru2np.readers.safe.window import Window

if TYPE_CHECKING:
    import os
    from contextlib import ExitStack

LFS_POINTER = b"version https://git-lfs"
_HDF5 = b"\x89HDF\r\n\x1a\n"
EXPECTED = (
    "a Keras model (HDF5, .keras, a SavedModel folder, architecture JSON or the "
    "model.json of TensorFlow.js)"
)
SAVE = 'give a model that Keras saved, with model.save("model.keras")'


@dataclass(frozen=True)
class Source:
    """An open file.

    Attributes:
        name: its name without the folder.
        window: all its bytes.
        folder: the directory of the file and of other files that belong to it.
    """

    name: str
    window: Window
    folder: Path


class Members(Protocol):
    """Files by exact name."""

    @property
    def where(self) -> str:
        """The archive or directory in messages; may be empty for a directory."""

    def has(self, name: str) -> bool:
        """Whether there is a member by this name."""

    def read(self, name: str, most: int, stack: ExitStack) -> bytes:
        """The bytes of a small member."""

    def window(self, name: str, stack: ExitStack) -> Window:
        """A member as a file, closed with the stack."""


class Files(Members, Protocol):
    """Members that record which of them were opened."""

    def windows(self) -> list[Window]:
        """All files opened so far, in the order of their names."""


def open_source(path: str | os.PathLike[str], stack: ExitStack) -> Source:
    """Open a file for reading, closed with the stack."""
    path = Path(path)
    name = path.name
    try:
        if path.is_dir():
            raise broken(name, "a file", "a directory", "give the file itself")
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            got = "something that is no regular file"
            raise broken(name, EXPECTED, got, "copy it to a file first")
        window = Window(stack.enter_context(path.open("rb")))
        return Source(name, window, path.parent)
    except Gru2npError:
        raise
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be opened ({error})") from error


def as_folder(path: str | os.PathLike[str]) -> Path | None:
    """The path if it is a directory, resolved if it has no name (``.``); else None."""
    path = Path(path)
    try:
        if not path.is_dir():
            return None
        return path if path.name else path.resolve()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be opened ({error})") from error


def kind_of(source: Source, expected: str = EXPECTED) -> str:
    """``hdf5``, ``zip``, ``gzip`` or ``json``; anything else is named and refused."""
    start = source.window.at(0, 512)
    if start.startswith(_HDF5):
        return "hdf5"
    # Before the search below: an archive may hold a whole HDF5 file at offset 512.
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    offset = 512  # after a user block HDF5 begins at 512, 1024, 2048, ...
    while offset < source.window.size:
        if source.window.at(offset, len(_HDF5)) == _HDF5:
            return "hdf5"
        offset *= 2
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    # An architecture may have been dumped as one string of JSON.
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b'"')):
        return "json"
    if is_table(source.window):
        got = "the index of a TensorFlow checkpoint: weights without an architecture"
        advice = "give the architecture JSON, and this file with --weights"
        raise broken(source.name, expected, got, advice)
    raise broken(source.name, expected, *_recognise(source.name, start))


def _recognise(name: str, start: bytes) -> tuple[str, str]:
    """What another file is by its first bytes, and what to do."""
    if start[257:262] == b"ustar":
        return "a tar archive", "unpack it first, and give the model that is in it"
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _FIND_ORIGINAL
    if name == "saved_model.pb":
        return "one file of a SavedModel", "give the folder that it is in"
    for magic, got, advice in _OTHERS:
        if start.lstrip().lower().startswith(magic):
            return got, advice
    if not start:
        return "an empty file", "fetch or save it again"
    return f"a file that begins with {shown(start[:16])}", SAVE


_FIND_ORIGINAL = (
    "it holds operations and no layers of Keras: give the Keras model that it was made "
    'of, saved with model.save("model.keras")'
)
_PICKLE = (
    "pickle can run code, so this file is never opened: load it where you trust it, "
    'and save the model with model.save("model.keras"), a list of arrays with '
    "np.savez(path, *arrays)"
)
_PAGE = (
    "download the file itself (the raw link), and give that one, as in gru2np export "
    "model.h5"
)
_YAML = (
    'convert the YAML to JSON, with PyYAML: python -c "import json, sys, yaml; '
    "L = yaml.SafeLoader; L.add_constructor('tag:yaml.org,2002:python/tuple', "
    'L.construct_sequence); json.dump(yaml.load(sys.stdin, L), sys.stdout)" '
    "< model.yaml > model.json"
)
_OTHERS = (
    (LFS_POINTER, "a Git LFS pointer", "fetch the file: git lfs pull"),
    (b"<!doctype", "a web page", _PAGE),
    (b"<html", "a web page", _PAGE),
    (b"pk\x05\x06", "an empty zip archive", "fetch or save it again"),
    (
        b"\x93numpy",
        "a NumPy array",
        "save all arrays, np.savez('weights.npz', *model.get_weights()), and give them "
        "with --weights (in Python, weights=) beside the JSON of model.to_json()",
    ),
    *((bytes([0x80, version]), "a pickle", _PICKLE) for version in range(2, 6)),
    (b"\x08", "a protocol buffer (ONNX or TensorFlow)", _FIND_ORIGINAL),
    (b"backend:", "an architecture in YAML", _YAML),
    (b"class_name:", "an architecture in YAML", _YAML),
)
