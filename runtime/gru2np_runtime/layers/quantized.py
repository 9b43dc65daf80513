"""The arithmetic of layers that quantise their inputs.

Keras 3 does so after ``model.quantize()``: each row of inputs gets a scale of its own
and is rounded to whole numbers.  Its product with a kernel of whole numbers is exact.
Dividing by both scales gives the outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.layer import Array, Layer

WHOLE = "whole numbers, which the bundle holds as int8 already"
# Products of whole numbers up to 128 whose sum is exact in float32: 128 * 128 * 1024
# is 2 ** 24.
EXACT = 1024
# Keras adds them up in int32.
MOST_FEATURES = 2**31 // 128**2 - 1
LARGEST = 128.0


def quantized(x: Array, axes: Sequence[int], layer: Layer) -> tuple[Array, Array]:
    """Whole numbers for x, and the scale that x was multiplied by.

    ``scale = high / (max|x| + epsilon)`` over the axes, and ``round(x * scale)`` with
    halves to even, between ``low`` and ``high``.  Keras 3.15
    ``keras/src/quantizers/quantizers.py``, ``abs_max_quantize``.

    Args:
        x: of any floating point dtype.
        axes: that share a scale.
        layer: with the attributes ``low``, ``high`` and ``epsilon``.

    Returns:
        The numbers, in the dtype of x, and the scales, whose ``axes`` have size 1.
    """
    low, high, epsilon = (getattr(layer, key) for key in ("low", "high", "epsilon"))
    # An infinity has the scale 0, and gives NaN.
    with np.errstate(invalid="ignore"):
        scale = high / (np.abs(x).max(axis=tuple(axes), keepdims=True) + epsilon)
        numbers = np.rint(x * scale)
    return np.clip(numbers, low, high, out=numbers), scale


def exact_product(numbers: Array, kernel: Array) -> Array:
    """The product of two matrices of whole numbers up to 128, rounded once.

    Args:
        numbers: (rows, features).
        kernel: (features, units).
    """
    features = len(kernel)
    if features <= EXACT:
        return numbers @ kernel
    total = np.zeros((len(numbers), kernel.shape[1]), np.float64)
    for start in range(0, features, EXACT):
        total += numbers[:, start : start + EXACT] @ kernel[start : start + EXACT]
    return total.astype(numbers.dtype)


def descaled(y: Array, scale: Array) -> Array:
    """A product of whole numbers, divided by the scales of its factors."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: Array = np.divide(y, scale, out=y)
    return quotient


def check_range(layer: Layer) -> None:
    """Check the attributes ``low``, ``high`` and ``epsilon`` of a layer.

    Raises:
        ValueError: the range is not one of int8 around 0, or epsilon is not above 0.
    """
    low, high, epsilon = (getattr(layer, key) for key in ("low", "high", "epsilon"))
    for key, value in (("low", -low), ("high", high)):
        if not (0 < value <= LARGEST and value == int(value)):
            raise ValueError(
                f"{layer.op}: expected {key} to be a whole number that int8 holds, "
                f"got {getattr(layer, key)}"
            )
    if not 0 < epsilon < np.inf:
        raise ValueError(f"{layer.op}: expected epsilon above 0, got {epsilon}")


def check_features(op: str, features: int | None) -> None:
    """Refuse sums that could leave int32, in which Keras adds up.

    Raises:
        ValueError: there are too many terms.
    """
    if features is not None and features > MOST_FEATURES:
        raise ValueError(f"{op}: expected at most {MOST_FEATURES} terms of a sum")
