"""Layers that Keras 3 does not have, built of layers that it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.ir import KerasLayer, KerasModel
from gru2np.upgrading.options import COMPARED

if TYPE_CHECKING:
    from collections.abc import Callable


def _thresholded_relu(layer: KerasLayer) -> KerasLayer:
    config = {key: x for key, x in layer.config.items() if key != "theta"}
    config |= {"max_value": None, "negative_slope": 0.0}
    config["threshold"] = layer.config.get("theta", 1.0)
    return replace(layer, class_name="ReLU", config=config)


# Classes with another name and other options in Keras 3.
RESPELLED: dict[str, Callable[[KerasLayer], KerasLayer]] = {
    "ThresholdedReLU": _thresholded_relu,
}


def respelled(model: KerasModel, dtype: str) -> KerasModel:
    """The model with every layer in Keras 3's spelling.

    Args:
        model: the model.
        dtype: of layers that state none.
    """
    layers = tuple(_respelled(layer, dtype) for layer in model.layers)
    return replace(model, layers=layers)


def _respelled(layer: KerasLayer, dtype: str) -> KerasLayer:
    change = RESPELLED.get(layer.class_name)
    layer = layer if change is None else change(layer)
    config = {key: x for key, x in layer.config.items() if key not in COMPARED}
    if not layer.class_name.startswith("ops."):
        # What is inside a layer has its dtype.
        dtype = config["dtype"] = config.get("dtype") or dtype
    children = tuple(
        (name, _respelled(child, dtype)) for name, child in layer.children
    )
    model = layer.model and respelled(layer.model, dtype)
    return replace(layer, config=config, children=children, model=model)
