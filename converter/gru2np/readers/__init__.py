"""Readers, one for each container a saved model comes in.

``open_model`` tells the container by content and gives a ``RawModel``: the
configuration and the weights as they stand, nothing interpreted.  Files are hostile
until shown otherwise: nothing in them is imported, evaluated, followed or extracted,
and sizes are checked before memory is taken.
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
_WHOLE = {
    "gzip": "a gzip archive",
    "hdf5": "HDF5",
    "zip": "a zip archive",
}


@contextmanager
def open_model(
    path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None
) -> Iterator[RawModel]:
    """Open a saved model; its weights can be read within the ``with`` block.

    Args:
        path: a whole model (HDF5, ``.keras`` or its directory, a SavedModel), or an
            architecture as JSON.
        weights: the weights file that goes with a JSON architecture; of weights in
            shards the ``.weights.json`` that names them; of a TensorFlow checkpoint
            its prefix, one of its files, or the folder that its ``checkpoint`` names
            the newest of.

    Raises:
        ModelFileError: if a file is missing, damaged, hostile or no Keras model.
        UnsupportedModelError: if it is a Keras model of a kind not read yet.
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
        found = None if weights is None else checkpoint.find(weights, stack)
        if found is not None:
            return json_architecture.read(source, found, stack)
        weights_source = None if weights is None else open_source(weights, stack)
        return json_architecture.read(source, weights_source, stack)
    if weights is not None:
        raise _has_weights(source.name, _WHOLE[kind])
    return _READERS[kind](source, stack)


def _tensorflowjs(source: Source) -> dict[str, Any] | None:
    """What is in the ``model.json`` of TensorFlow.js; None for other JSON."""
    data = source.window.at(0, MOST_BYTES + 1)
    # Looked for first, for most files are something else and are parsed elsewhere.
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
    if files.has(saved_model.MODEL):
        return saved_model.read(files, folder.name, stack)
    return keras_folder.read(folder, stack)


def _has_weights(name: str, got: str) -> ModelFileError:
    return broken(
        name,
        "an architecture as JSON, for its weights are given apart",
        got,
        "pass a whole model alone, and the JSON of model.to_json() with --weights",
    )
