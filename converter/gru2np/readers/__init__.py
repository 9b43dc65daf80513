"""Readers, one for each container a saved model comes in.

``open_model`` tells the container by content and gives a ``RawModel``: the
configuration and the weights as they stand, nothing interpreted.  Files are hostile
until shown otherwise: nothing in them is imported, evaluated, followed or extracted,
and sizes are checked before memory is taken.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.readers import (
    checkpoint,
    hdf5,
    json_architecture,
    keras_folder,
    keras_zip,
    packed,
    saved_model,
)
from gru2np.readers.members import CONFIG
from gru2np.readers.safe.damage import broken, reading
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.zip_archive import SafeZip
from gru2np.readers.source import Source, as_folder, kind_of, open_source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from gru2np.errors import ModelFileError
    from gru2np.ir import RawModel

__all__ = ["open_model"]

_WHOLE = {
    "gzip": "a gzip archive",
    "hdf5": "HDF5",
    "json": "JSON",
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
        found = None if weights is None else checkpoint.find(weights, stack)
        if found is not None:
            return json_architecture.read(source, found, stack)
        weights_source = None if weights is None else open_source(weights, stack)
        return json_architecture.read(source, weights_source, stack)
    if weights is not None:
        raise _has_weights(source.name, _WHOLE[kind])
    if kind == "gzip":
        inner = f"{source.name}/{source.name.removesuffix('.gz')}"
        window = packed.unzipped(source.window, source.name, stack)
        return _inside(Source(inner, window, source.folder), source, stack)
    if kind == "zip":
        return _read_zip(source, stack)
    return hdf5.read(source, stack)


def _read_zip(source: Source, stack: ExitStack) -> RawModel:
    """A ``.keras`` archive, or the one model in an archive."""
    archive = SafeZip(source.window, source.name, stack)
    if archive.has(CONFIG):
        return keras_zip.read(archive, source, stack)
    name = packed.only(archive.names, source.name)
    if name is None:
        keras_zip.refuse(source.name, archive.names)
    where = f"{source.name}/{name}".rstrip("/")
    if not name.endswith("/") and name:
        window = archive.window(name, stack)
        return _inside(Source(where, window, source.folder), source, stack)
    folder = packed.Folder(archive, name, where, {})
    if folder.has(saved_model.MODEL):
        raw = saved_model.read(folder, where, stack)
    else:
        raw = keras_zip.read(folder, replace(source, name=where), stack)
    return _noted(raw, where, source)


def _inside(inner: Source, source: Source, stack: ExitStack) -> RawModel:
    """The model in an archive, which is no archive again but a ``.keras``."""
    kind = kind_of(inner)
    if kind == "hdf5":
        return _noted(hdf5.read(inner, stack), inner.name, source)
    if kind == "zip":
        archive = SafeZip(inner.window, inner.name, stack)
        if archive.has(CONFIG):
            raw = keras_zip.read(archive, inner, stack)
            return _noted(raw, inner.name, source)
    raise broken(source.name, "a Keras model in it", _WHOLE[kind], "unpack it first")


def _noted(raw: RawModel, name: str, source: Source) -> RawModel:
    """The model, with a word on where it was found."""
    note = f"the model is {name.removeprefix(source.name + '/')}, in {source.name}"
    return replace(raw, notes=(*raw.notes, note))


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
