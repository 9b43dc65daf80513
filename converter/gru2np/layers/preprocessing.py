"""Converts preprocessing; its meaning is in the runtime's file of this name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.generations.records import is_number
from gru2np.layers.dtype_rules import ANY
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import Unused, Weights, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def rescaling(config: Config) -> Layer:
    """Rescaling; scale and offset are one number, or one for each feature."""
    return config.build(
        runtime.Rescaling,
        scale=numbers(config, "scale"),
        offset=numbers(config, "offset", 0.0),
    )


def normalization(config: Config) -> Layer:
    """Normalization, with mean and variance in its weights or in its options."""
    axis = config.value("axis", -1)
    axes = axis if isinstance(axis, list) else [] if axis is None else [axis]
    constants: dict[str, Any] = {}
    if config.value("mean", None) is not None:
        mean, variance = (_array(config, key) for key in ("mean", "variance"))
        if mean.shape != variance.shape:
            config.refuse("expected as many variances as means", "variance")
        constants = {
            "constants_shape": list(mean.shape),
            "mean": mean.ravel().tolist(),
            "variance": variance.ravel().tolist(),
        }
    elif config.value("variance", None) is not None:
        config.refuse("a variance without a mean", "variance")
    return config.build(
        runtime.Standardization,
        axes=axes,
        invert=config.boolean("invert", False),
        **constants,
    )


def numbers(config: Config, key: str, default: object = None) -> list[float]:
    """A number or a flat list of numbers, all finite."""
    value = config.value(key, default)
    items = value if isinstance(value, (list, tuple)) else [value]
    floats = [float(item) for item in items if is_number(item)]
    if len(floats) < len(items) or not all(map(math.isfinite, floats)):
        config.refuse("expected a number or a flat list of numbers", key, value)
    return floats


def _array(config: Config, key: str) -> np.ndarray[Any, Any]:
    """A number or nested lists of equal lengths, as float64."""
    value = config.value(key)
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "if" or array.ndim > 8 or not np.isfinite(array).all():
        config.refuse("expected numbers", key, value)
    return array.astype(float)


LAYERS = {
    "Normalization": unmasked(
        normalization,
        MEASURED,
        Weights(
            non_trainable=frozenset({"mean", "variance"}),
            unused=(Unused("count", in_groups=True, option=""),),
        ),
        ANY,
    ),
    "Rescaling": unmasked(rescaling, MEASURED, None, ANY),
}
