"""What a file is that was given for a bundle, by its first bytes.

Imported only when an error is raised: the start must be fast.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gru2np_runtime.bundle.container import MANIFEST

if TYPE_CHECKING:
    FilePath = str | os.PathLike[str]

# Bytes of the beginning and of the end that tell files apart.
_END = 2**16
_LFS = b"version https://git-lfs"
# Offset, bytes there, what the file is.
_MAGIC = (
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x93NUMPY", "npy"),
    (4, b"TFL3", "tflite"),
    *((0, bytes([0x80, version]), "pickle") for version in range(2, 6)),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x08", "protobuf"),
    (0, _LFS, "lfs"),
    (0, b"{", "json"),
    (0, b"<", "page"),
)
_EXPORT = "gru2np export {path} writes its bundle"
_KERAS = "gru2np runs models of Keras: gru2np export MODEL writes a bundle of one"
# What a file is, and the way on to a bundle.
_KINDS = {
    "hdf5": ("HDF5, a Keras model or its weights", _EXPORT),
    "keras": ("a .keras file", _EXPORT),
    "json": (
        "JSON, an architecture perhaps",
        "gru2np export {path} --weights WEIGHTS writes its bundle",
    ),
    "tfjs": ("the model.json of TensorFlow.js", _EXPORT),
    "savedmodel": ("a SavedModel folder", _EXPORT),
    "unzipped": ("an unzipped .keras folder", _EXPORT),
    "folder": ("a folder", "name the .npz file that gru2np export wrote"),
    "shipped": ("a folder that gru2np ship wrote", "its bundle is {path}/model.npz"),
    "arrays": (
        "an .npz of arrays that gru2np did not write",
        "gru2np export MODEL writes a bundle; arrays of one layer run with "
        "gru2np_runtime.layers, as in GRU(units=...).bind(kernel=..., ...)",
    ),
    "npy": ("a .npy, one array", "as input of predict it is given with -i {path}"),
    "torch": ("a model or weights of PyTorch", _KERAS),
    "pickle": ("a pickle, which is never opened: it can run code", _KERAS),
    "tflite": ("a TensorFlow Lite model", _KERAS),
    "protobuf": ("a protocol buffer (ONNX or TensorFlow)", _KERAS),
    "zip": ("a zip archive", _EXPORT + " if a model is in it"),
    "gzip": ("a gzip archive", _EXPORT + " if a model is in it"),
    "lfs": ("a Git LFS pointer", "git lfs pull fetches the file"),
    "page": ("a web page", "download the file itself; gru2np export MODEL writes one"),
    "empty": ("an empty file", "copy it again, or gru2np export MODEL writes it again"),
    "other": ("other bytes", "gru2np export MODEL writes a bundle"),
}
# Names of members that tell archives apart.
_MEMBERS = (
    (b"config.json", "keras"),
    (b"metadata.json", "keras"),
    (b"/data.pkl", "torch"),
    (b".npy", "arrays"),
)
# Files that tell folders apart.
_FILES = (
    ("saved_model.pb", "savedmodel"),
    ("run.py", "shipped"),
    ("model.json", "tfjs"),
    ("config.json", "unzipped"),
)


def kind_of(data: bytes | memoryview) -> str:
    """What the bytes of a file are, a key of the table.

    ``bundle`` for a bundle; ``cut off`` for an ``.npz`` of any kind without its end.
    """
    if not len(data):
        return "empty"
    start, end = bytes(data[:512]), bytes(data[-_END:])
    kind = next(
        (kind for at, magic, kind in _MAGIC if start.lstrip()[at:].startswith(magic)),
        "other",
    )
    if kind == "json" and b'"modelTopology"' in bytes(data[:_END]):
        return "tfjs"
    if kind != "zip":
        return kind
    if MANIFEST.encode() in end:
        return "bundle"
    if b"PK\x05\x06" not in end[-22:] and b".npy" in start[30:]:
        return "cut off"
    return next((kind for name, kind in _MEMBERS if name in end), "zip")


def no_bundle(source: object, data: bytes | memoryview) -> str | None:
    """The error of bytes that are no bundle; None if they are one, damaged perhaps.

    Args:
        source: the path that they were read from, or something else.
        data: the bytes.
    """
    path = source if isinstance(source, (str, os.PathLike)) else None
    return _message(kind_of(data), path)


def no_bundle_at(path: FilePath) -> str | None:
    """The error of a file or folder that is no bundle; None if it is one.

    Raises:
        OSError: it cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        kind = next((k for name, k in _FILES if (place / name).exists()), "folder")
        return _message(kind, path)
    with place.open("rb") as file:
        return _message(_kind_of_file(file), path)


def no_inputs(file: BinaryIO) -> str | None:
    """The error of a file that holds no inputs; None if it may hold some.

    Args:
        file: open and seekable.
    """
    kind = _kind_of_file(file)
    if kind in ("npy", "arrays", "zip", "cut off", "empty", "other"):
        return None
    got, way = "a bundle", "it comes first, as in gru2np predict BUNDLE -i X -o Y"
    if kind != "bundle":
        got, way = _KINDS[kind][0], "np.save('x.npy', x) saves an array"
    return f"expected inputs, a .npy, .npz or .csv file, got {got}: {way}"


def _kind_of_file(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(_END)
    file.seek(max(len(start), file.seek(0, os.SEEK_END) - _END))
    return kind_of(start + file.read())


def _message(kind: str, path: FilePath | None) -> str | None:
    if kind in ("bundle", "cut off"):
        return None
    got, way = _KINDS[kind]
    name = "MODEL" if path is None else shlex.quote(os.fspath(path))
    return (
        "expected a bundle, an .npz that gru2np export wrote, "
        f"got {got}: {way.format(path=name)}"
    )
