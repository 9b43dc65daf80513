"""Weights without an architecture: the arrays by owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gru2np.readers import array_list, checkpoint, hdf5, saved_model
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.json_text import MOST_BYTES
from gru2np.readers.safe.zip_archive import SafeZip
from gru2np.readers.shards import ShardedPaths, is_index
from gru2np.readers.source import as_folder, kind_of, open_source
from gru2np.readers.weights_h5 import Hdf5Paths

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from contextlib import ExitStack

    from gru2np.ir import PathStore, StoredTensor
    from gru2np.readers.source import Source


class Owner(NamedTuple):
    """The owner of arrays: a layer, or an object inside a layer.

    Attributes:
        path: its name, or the attributes that lead to it; empty if the file is a list
            of arrays.
        arrays: in the order of the file.
    """

    path: str
    arrays: tuple[StoredTensor, ...]


@dataclass(frozen=True)
class StoredWeights:
    """Weights in a file of their own.

    Attributes:
        container: as in ``RawModel``, without the architecture.
        keras_version: as the file has it, or None.
        owners: in the order of the file.
    """

    container: str
    keras_version: str | None
    owners: tuple[Owner, ...]


def read(path: str | os.PathLike[str], stack: ExitStack) -> StoredWeights | None:
    """The weights, checked but not read; None if the file is something else.

    Raises:
        ModelFileError: it is damaged or hostile.
    """
    folder = as_folder(path)
    if folder is not None and SafeFolder(folder, "").has(saved_model.MODEL):
        return None
    stored = checkpoint.find(path, stack)
    if stored is not None:
        return StoredWeights("checkpoint", None, tuple(_in_checkpoint(stored)))
    if folder is not None:
        return None
    source = open_source(path, stack)
    kind = kind_of(source)
    if kind == "hdf5":
        return _hdf5(source, stack)
    if kind == "json" and is_index(source.window.at(0, MOST_BYTES + 1), source.name):
        shards = ShardedPaths(SafeFolder(source.folder, ""), source.name, stack)
        return StoredWeights("weights.h5", None, tuple(_by_path(shards)))
    if kind == "zip":
        archive = SafeZip(source.window, source.name, stack)
        if array_list.is_list(archive.names):
            arrays = array_list.read(archive, stack).arrays
            return StoredWeights("npz", None, (Owner("", arrays),))
    return None


def _hdf5(source: Source, stack: ExitStack) -> StoredWeights | None:
    file = SafeHdf5(source.window, source.name, stack)
    kind = hdf5.kind_of(file)
    if kind == "paths":
        return StoredWeights("weights.h5", None, tuple(_by_path(Hdf5Paths(file))))
    if kind == "weights":
        groups = hdf5.read_groups(file).groups
        owners = tuple(Owner(name, arrays) for name, arrays in groups if arrays)
        return StoredWeights("hdf5", hdf5.versions(file)[0], owners)
    return None


def _by_path(paths: PathStore) -> Iterator[Owner]:
    for path in (*paths.paths(), *paths.foreign_paths()):
        yield Owner(path, tuple(paths.variables(path)))


def _in_checkpoint(stored: checkpoint.Checkpoint) -> Iterator[Owner]:
    for path, arrays in stored.owners():
        yield Owner(path, tuple(arrays.values()))
