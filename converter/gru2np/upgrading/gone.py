"""Layers that Keras 3 does not have, built of layers that it has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef

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


def respelled(model: KerasModel) -> KerasModel:
    """The model with such layers in Keras 3's spelling."""
    return replace(model, layers=tuple(map(_respelled, model.layers)))


def _respelled(layer: KerasLayer) -> KerasLayer:
    change = RESPELLED.get(layer.class_name)
    layer = layer if change is None else change(layer)
    children = tuple((name, _respelled(child)) for name, child in layer.children)
    return replace(layer, children=children, model=layer.model and respelled(layer.model))
