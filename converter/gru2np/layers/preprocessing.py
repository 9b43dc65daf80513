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
    from collections.abc import Sequence

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def rescaling(config: Config) -> Layer:
    """Rescaling; scale and offset are a number, or one for each feature."""
    return config.build(
        runtime.Rescaling,
        scale=numbers(config, "scale"),
        offset=numbers(config, "offset", 0.0),
    )


def normalization(config: Config) -> Layer:
    """Normalization, its numbers adapted or given."""
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
    """A number, or a flat list of them."""
    value = config.value(key, default)
    found = _flat(value if isinstance(value, (list, tuple)) else [value])
    if found is None:
        config.refuse("expected a number or a flat list of numbers", key, value)
    return found


def _flat(items: Sequence[object]) -> list[float] | None:
    numbers = [float(item) for item in items if is_number(item)]
    sound = len(numbers) == len(items) and all(math.isfinite(n) for n in numbers)
    return numbers if sound else None


def _array(config: Config, key: str) -> np.ndarray[Any, Any]:
    """A number, or lists of them of one length each."""
    value = config.value(key)
    try:
        found = np.array(value)
    except ValueError:
        found = np.array(None)
    if found.dtype.kind not in "if" or found.ndim > 8 or not np.isfinite(found).all():
        config.refuse("expected numbers", key, value)
    return found.astype(float)


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
