"""An architecture as JSON (``model.to_json()``) with a weights file of either kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gru2np.ir import RawModel
from gru2np.readers.checkpoint import Checkpoint
from gru2np.readers.hdf5 import kind_of as hdf5_kind
from gru2np.readers.hdf5 import read_groups, versions
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.json_text import MOST_BYTES, architecture
from gru2np.readers.safe.window import sha256
from gru2np.readers.shards import ShardedPaths, is_index
from gru2np.readers.source import kind_of
from gru2np.readers.weights_h5 import Hdf5Paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from gru2np.ir import PathStore
    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Source


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
    own_version, own_backend = (_text(config, source, key) for key in _KEYS)
    if isinstance(weights, Checkpoint):
        return RawModel(
            config=config,
            groups=None,
            paths=None,
            objects=weights,
            keras_version=own_version,
            backend=own_backend,
            tensorflow_version=None,
            saved_by=None,
            container="json+checkpoint",
            file_name=source.name,
            sha256=sha256(source.window, *weights.windows()),
        )
    groups, stored_version, stored_backend = None, None, None
    file, paths, windows = _open(weights, stack)
    if file is not None and paths is None:
        stored_version, stored_backend = versions(file)
        _check_agreement(source, config, own_version, weights, stored_version)
        groups = read_groups(file)
    return RawModel(
        config=config,
        groups=groups,
        paths=paths,
        keras_version=own_version or stored_version,
        backend=own_backend or stored_backend,
        tensorflow_version=None,
        saved_by=None,
        container="json+hdf5" if paths is None else "json+weights.h5",
        file_name=source.name,
        sha256=sha256(source.window, *windows),
    )


_KEYS = ("keras_version", "backend")


def _open(
    weights: Source, stack: ExitStack
) -> tuple[SafeHdf5 | None, PathStore | None, Sequence[Window]]:
    """Weights by layer or by path, and the files that they are in."""
    kind = kind_of(weights)
    if kind == "hdf5":
        file = SafeHdf5(weights.window, weights.name, stack)
        paths = Hdf5Paths(file) if hdf5_kind(file) == "paths" else None
        return file, paths, [weights.window]
    if kind == "json" and is_index(weights.window.at(0, MOST_BYTES + 1), weights.name):
        folder = SafeFolder(weights.folder, "")
        shards = ShardedPaths(folder, weights.name, stack)
        return None, shards, folder.windows()
    got = {"zip": "a whole .keras model or other archive", "json": "JSON"}
    advice = "a whole model needs no --weights: pass it alone"
    raise broken(weights.name, "weights in HDF5", got.get(kind, kind), advice)


def _text(config: dict[str, Any], source: Source, key: str) -> str | None:
    value = config.get(key)
    if value is None or isinstance(value, str):
        return value
    raise broken(f"{source.name} at $.{key}", "text", shown(value))


def _major(config: dict[str, Any], keras_version: str | None) -> str | None:
    """The major version, where it can be told: Keras 3 writes none but its shape."""
    if keras_version is not None:
        found = re.match(r"\s*(\d+)", keras_version)
        return found[1] if found else None
    return "3" if {"module", "registered_name"} <= set(config) else None


def _check_agreement(
    source: Source,
    config: dict[str, Any],
    version: str | None,
    weights: Source,
    stored: str | None,
) -> None:
    major, stored_major = _major(config, version), _major({}, stored)
    if major and stored_major and major != stored_major:
        raise broken(
            weights.name,
            f"weights of Keras {version or major} as {source.name}",
            f"those of Keras {stored}",
            "the two Kerases do not spell one model alike: give the architecture that "
            "model.to_json() writes in the Keras of the weights, or load both in the "
            "Keras that can, and save the model as one file",
        )
