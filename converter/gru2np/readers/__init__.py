"""Readers, one for each container of a saved model.

``open_model`` recognises the container by its content and returns a ``RawModel``: the
architecture and the weights, not interpreted.  Every file is treated as hostile:
nothing in it is imported, evaluated, followed or extracted, and sizes are checked
before memory is allocated.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from gru2np.readers import (
    checkpoint,
    hdf5,
    json_architecture,
    keras_folder,
    packed,
    saved_model,
    tensorflowjs,
)
from gru2np.readers.members import CONFIG, WEIGHTS
from gru2np.readers.safe.damage import broken, reading
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.json_text import MOST_BYTES, parse_object
from gru2np.readers.source import Source, as_folder, kind_of, open_source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from gru2np.errors import ModelFileError
    from gru2np.ir import RawModel

__all__ = ["open_model"]

_READERS = {"gzip": packed.read_gzip, "hdf5": hdf5.read, "zip": packed.read_zip}
_CONTAINERS = {"gzip": "a gzip archive", "hdf5": "HDF5", "zip": "a zip archive"}


@contextmanager
def open_model(
    path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None
) -> Iterator[RawModel]:
    """Open a saved model; its weights can be read within the ``with`` block.

    Args:
        path: a whole model (HDF5, ``.keras`` or its directory, a SavedModel), or an
            architecture as JSON.
        weights: the weights file of a JSON architecture.  For weights in shards: the
            ``.weights.json`` that names them.  For a TensorFlow checkpoint: its
            prefix, one of its files, or a folder whose file ``checkpoint`` names it.

    Raises:
        ModelFileError: a file is missing, damaged, hostile or no Keras model.
        UnsupportedModelError: it is a Keras model of a kind that is not supported.
    """
    with ExitStack() as stack:
        folder = as_folder(path)
        if folder is None:
            source = open_source(path, stack)
            with reading(source.name):
                raw = _read(source, weights, stack)
        else:
            with reading(folder.name):
                raw = _read_folder(folder, weights, stack)
        yield raw


def _read(
    source: Source, weights: str | os.PathLike[str] | None, stack: ExitStack
) -> RawModel:
    kind = kind_of(source)
    if kind == "json":
        text = _tensorflowjs(source)
        if text is not None and weights is None:
            return tensorflowjs.read(source, text, stack)
        if weights is None:
            return json_architecture.read(source, None, stack)
        opened = checkpoint.find(weights, stack) or open_source(weights, stack)
        return json_architecture.read(source, opened, stack)
    if weights is not None:
        raise _has_weights(source.name, _CONTAINERS[kind])
    return _READERS[kind](source, stack)


def _tensorflowjs(source: Source) -> dict[str, Any] | None:
    """The object in the ``model.json`` of TensorFlow.js; None for other JSON."""
    data = source.window.at(0, MOST_BYTES + 1)
    # Parsed only if the key is there: most files are parsed elsewhere.
    if f'"{tensorflowjs.TOPOLOGY}"'.encode() not in data:
        return None
    text = parse_object(data, source.name)
    return text if tensorflowjs.TOPOLOGY in text else None


def _read_folder(
    folder: Path, weights: str | os.PathLike[str] | None, stack: ExitStack
) -> RawModel:
    if weights is not None:
        raise _has_weights(folder.name, "a directory")
    files = SafeFolder(folder, folder.name)
    _check_one_format(files)
    if files.has(tensorflowjs.MODEL) and not files.has(CONFIG):
        return _read(open_source(folder / tensorflowjs.MODEL, stack), None, stack)
    if files.has(saved_model.MODEL):
        return saved_model.read(files, folder.name, stack)
    return keras_folder.read(folder, stack)


def _check_one_format(files: SafeFolder) -> None:
    """Refuse a folder of two formats: loaders differ in which model they find in it."""
    whole = files.has(CONFIG) and any(map(files.has, WEIGHTS))
    if whole and files.has(saved_model.MODEL):
        got = f"{saved_model.MODEL} and {CONFIG}, of a SavedModel and of Keras 3"
        advice = "put the files of the one that is meant into a folder of its own"
        raise broken(files.where, "a folder of one model", got, advice)


def _has_weights(name: str, got: str) -> ModelFileError:
    return broken(
        name,
        "an architecture as JSON, because --weights names a weights file",
        got,
        "pass a whole model without --weights, or the JSON of model.to_json() with it",
    )
