"""An architecture as JSON (``model.to_json()``) with a weights file of any kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gru2np.ir import RawModel
from gru2np.readers import weights_file
from gru2np.readers.checkpoint import Checkpoint
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.json_text import MOST_BYTES, architecture
from gru2np.readers.safe.window import sha256
from gru2np.readers.shards import is_index
from gru2np.readers.source import kind_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.readers.source import Source
    from gru2np.readers.weights_file import StoredWeights


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
        container=f"json+{stored.container}",
        file_name=source.name,
        sha256=sha256(source.window, *stored.windows),
        weights_version=stored.keras_version if other else None,
    )


def _open(weights: Source | Checkpoint, stack: ExitStack) -> StoredWeights:
    """The weights, checked but not read."""
    if isinstance(weights, Checkpoint):
        return weights_file.of_checkpoint(weights)
    stored = weights_file.read(weights, stack)
    if stored is None:
        kind = kind_of(weights)
        got = {"zip": "a whole .keras model or other archive", "json": "JSON"}
        advice = "a whole model needs no --weights: pass it alone"
        if kind == "zip" and weights_file.is_bundle(weights, stack):
            got["zip"] = "a gru2np bundle"
            advice = "it is exported already: gru2np predict BUNDLE runs it"
        raise broken(weights.name, weights_file.EXPECTED, got.get(kind, kind), advice)
    return stored


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
