"""Weights in a file of their own: HDF5, shards, a checkpoint or a list of arrays."""

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
from gru2np_runtime.bundle.container import MANIFEST

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from gru2np.ir import FlatStore, GroupStore, ObjectStore, PathStore, StoredTensor
    from gru2np.readers.checkpoint import Checkpoint
    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Source


EXPECTED = (
    "a weights file (HDF5, .weights.h5, a TensorFlow checkpoint, shards, or an .npz of "
    "get_weights())"
)


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
    """Weights in a file of their own, in one of the stores of ``RawModel``.

    Attributes:
        container: as in ``RawModel``, without the architecture.
        windows: the files.
        groups: see ``RawModel``, as for the three stores below.
        keras_version: as the file has it, or None.
        backend: the same.
    """

    container: str
    windows: Sequence[Window]
    groups: GroupStore | None = None
    paths: PathStore | None = None
    objects: ObjectStore | None = None
    flat: FlatStore | None = None
    keras_version: str | None = None
    backend: str | None = None

    def owners(self) -> Iterator[Owner]:
        """The owners of arrays, in the order of the file."""
        if self.groups is not None:
            for name, arrays in self.groups.groups:
                if arrays:
                    yield Owner(name, arrays)
        if self.paths is not None:
            for path in (*self.paths.paths(), *self.paths.foreign_paths()):
                yield Owner(path, tuple(self.paths.variables(path)))
        if self.objects is not None:
            for path, by_attribute in self.objects.owners():
                yield Owner(path, tuple(by_attribute.values()))
        if self.flat is not None:
            yield Owner("", self.flat.arrays)


def find(path: str | os.PathLike[str], stack: ExitStack) -> StoredWeights | None:
    """The weights at a path, checked but not read; None if it is something else.

    Raises:
        ModelFileError: the file is damaged or hostile.
    """
    folder = as_folder(path)
    if folder is not None and SafeFolder(folder, "").has(saved_model.MODEL):
        return None
    stored = checkpoint.find(path, stack)
    if stored is None and folder is not None:
        return None
    if stored is not None:
        return of_checkpoint(stored)
    return read(open_source(path, stack), stack, alone=True)


def of_checkpoint(stored: Checkpoint) -> StoredWeights:
    """The weights in a checkpoint."""
    return StoredWeights("checkpoint", stored.windows(), objects=stored)


def read(
    source: Source, stack: ExitStack, *, alone: bool = False
) -> StoredWeights | None:
    """The weights, checked but not read; None if the file is something else.

    Args:
        source: the file.
        stack: closes the files.
        alone: whether an HDF5 file with a whole model counts as something else.

    Raises:
        ModelFileError: the file is damaged or hostile.
    """
    kind = kind_of(source) if alone else kind_of(source, EXPECTED)
    if kind == "hdf5":
        return _hdf5(source, stack, alone=alone)
    if kind == "json" and is_index(source.window.at(0, MOST_BYTES + 1), source.name):
        folder = SafeFolder(source.folder, "")
        shards = ShardedPaths(folder, source.name, stack)
        return StoredWeights("weights.h5", folder.windows(), paths=shards)
    if kind == "zip":
        archive = SafeZip(source.window, source.name, stack)
        if array_list.is_list(archive.names):
            arrays = array_list.read(archive, stack)
            return StoredWeights("npz", [source.window], flat=arrays)
    return None


def is_bundle(source: Source, stack: ExitStack) -> bool:
    """Whether an archive is a gru2np bundle."""
    return MANIFEST in SafeZip(source.window, source.name, stack).names


def _hdf5(source: Source, stack: ExitStack, *, alone: bool) -> StoredWeights | None:
    file = SafeHdf5(source.window, source.name, stack)
    kind = hdf5.kind_of(file)
    if kind == "paths":
        return StoredWeights("weights.h5", [source.window], paths=Hdf5Paths(file))
    if kind == "model" and alone:
        return None
    version, backend = hdf5.versions(file)
    return StoredWeights(
        "hdf5",
        [source.window],
        groups=hdf5.read_groups(file),
        keras_version=version,
        backend=backend,
    )
