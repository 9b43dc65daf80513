"""Models of Dense layers whose weights are named by the attributes that own them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import gru2np
from checkpoint_writer import Draft, metadata, saved_model, write
from gru2np_runtime import load
from modelfiles import with_keys

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 3


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random float32."""
    return np.random.default_rng(seed).random(shape, "float32")


def dense(name: str, **options: Any) -> dict[str, Any]:
    """A Dense layer whose kernel is square."""
    config = {"name": name, "units": SIZE, "activation": "linear", "use_bias": True}
    return {"class_name": "Dense", "config": {**config, "dtype": "float32", **options}}


INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, SIZE], "dtype": "float32"},
}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """A model of layers one behind the other."""
    spec = {"class_name": "Sequential", "config": {"name": "m", "layers": [*layers]}}
    return with_keys(spec, "tf.keras", "2.10.1")


def arrays(*layers: str) -> dict[str, Any]:
    """Kernel and bias of Dense layers at some paths of attributes."""
    found = {}
    for number, path in enumerate(layers):
        found[f"{path}/kernel"] = numbers(SIZE, SIZE, seed=number)
        found[f"{path}/bias"] = numbers(SIZE, seed=100 + number)
    return found


def folder(path: Path, config: dict[str, Any], draft: Draft) -> Path:
    """A SavedModel."""
    root = {**config, "name": "m", "keras_version": "2.10.0"}
    return write(
        path / "model", {**saved_model(draft), "keras_metadata.pb": metadata(root)}
    )


def weights(path: Path, config: dict[str, Any], draft: Draft, **own: Any) -> Any:
    """The weights of the exported model, by layer."""
    out = path / "model.npz"
    gru2np.export(folder(path, config, draft), out, **own)
    return {layer.name: layer.weights for layer in load(out, **own).layers}


def assert_dense(found: Any, number: int = 0) -> None:
    """They are the arrays of the so-manyth path."""
    np.testing.assert_array_equal(found["kernel"], numbers(SIZE, SIZE, seed=number))
    np.testing.assert_array_equal(found["bias"], numbers(SIZE, seed=100 + number))


TWO = sequential(INPUT, dense("a"), dense("b"))


ONE = sequential(INPUT, dense("a"))
