"""An architecture as JSON (``model.to_json()``) with a weights file of any kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from gru2np.ir import RawModel
from gru2np.readers import array_list
from gru2np.readers.checkpoint import Checkpoint
from gru2np.readers.hdf5 import kind_of as hdf5_kind
from gru2np.readers.hdf5 import read_groups, versions
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.json_text import MOST_BYTES, architecture
from gru2np.readers.safe.window import sha256
from gru2np.readers.safe.zip_archive import SafeZip
from gru2np.readers.shards import ShardedPaths, is_index
from gru2np.readers.source import kind_of
from gru2np.readers.weights_h5 import Hdf5Paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from gru2np.ir import FlatStore, GroupStore, ObjectStore, PathStore
    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Source


class Stored(NamedTuple):
    """The weights of an architecture, in one of the stores of ``RawModel``.

    Attributes:
        container: of architecture and weights together.
        windows: the weights files.
        groups: see ``RawModel``, as for the three stores below.
        keras_version: as written in the weights file, or None.
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


def read(
    source: Source, weights: Source | Checkpoint | None, stack: ExitStack
) -> RawModel:
    """An architecture and its weights."""
    data = source.window.at(0, MOST_BYTES + 1)
    if is_index(data, source.name):
        raise broken(
            source.name,
            "a model with its architecture",
            "the index of weights in shards",
            "pass the architecture, written by model.to_json(), as the model and this "
            "file with --weights (in Python, weights=)",
        )
    config = architecture(data, source.name)
    if weights is None:
        raise broken(
            source.name,
            "a model with its weights",
            "an architecture alone",
            "pass its weights file with --weights (in Python, weights=)",
        )
    version = _text(config, source, "keras_version")
    backend = _text(config, source, "backend")
    stored = _open(weights, stack)
    other = _is_other(config, version, stored.keras_version)
    return RawModel(
        config=config,
        groups=stored.groups,
        paths=stored.paths,
        objects=stored.objects,
        flat=stored.flat,
        keras_version=version if other else version or stored.keras_version,
        backend=backend or stored.backend,
        container=stored.container,
        file_name=source.name,
        sha256=sha256(source.window, *stored.windows),
        weights_version=stored.keras_version if other else None,
    )


def _open(weights: Source | Checkpoint, stack: ExitStack) -> Stored:
    """The weights, checked but not read."""
    if isinstance(weights, Checkpoint):
        return Stored("json+checkpoint", weights.windows(), objects=weights)
    kind = kind_of(weights)
    if kind == "hdf5":
        file = SafeHdf5(weights.window, weights.name, stack)
        if hdf5_kind(file) == "paths":
            paths = Hdf5Paths(file)
            return Stored("json+weights.h5", [weights.window], paths=paths)
        version, backend = versions(file)
        return Stored(
            "json+hdf5",
            [weights.window],
            groups=read_groups(file),
            keras_version=version,
            backend=backend,
        )
    if kind == "json" and is_index(weights.window.at(0, MOST_BYTES + 1), weights.name):
        folder = SafeFolder(weights.folder, "")
        shards = ShardedPaths(folder, weights.name, stack)
        return Stored("json+weights.h5", folder.windows(), paths=shards)
    if kind == "zip":
        archive = SafeZip(weights.window, weights.name, stack)
        if array_list.is_list(archive.names):
            arrays = array_list.read(archive, stack)
            return Stored("json+npz", [weights.window], flat=arrays)
    got = {"zip": "a whole .keras model or other archive", "json": "JSON"}
    advice = "a whole model needs no --weights: pass it alone"
    raise broken(weights.name, "weights in HDF5", got.get(kind, kind), advice)


def _text(config: dict[str, Any], source: Source, key: str) -> str | None:
    value = config.get(key)
    if value is None or isinstance(value, str):
        return value
    raise broken(f"{source.name} at $.{key}", "text", shown(value))


def _major(config: dict[str, Any], keras_version: str | None) -> str | None:
    """The major version of Keras, or None; Keras 3 writes none, but other keys."""
    if keras_version is not None:
        match = re.match(r"\s*(\d+)", keras_version)
        return match[1] if match else None
    return "3" if {"module", "registered_name"} <= set(config) else None


def _is_other(config: dict[str, Any], version: str | None, stored: str | None) -> bool:
    """Whether another generation saved the weights than the architecture."""
    major, stored_major = _major(config, version), _major({}, stored)
    return bool(major and stored_major and major != stored_major)
