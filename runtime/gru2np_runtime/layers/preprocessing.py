"""Preprocessing of numbers inside a model: Rescaling and Normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.layer import FEW, Layer, no_products, stored
from gru2np_runtime.layers.axes import (
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

# The lower bound of a standard deviation, Keras' epsilon.
LEAST_DEVIATION = 1e-7


class Rescaling(Layer):
    """``x * scale + offset``; each is one number, or one for each feature."""

    op = "rescaling"
    independent_rows = True
    multiply_adds = no_products
    scale: tuple[float, ...]
    offset: tuple[float, ...] = (0.0,)

    def check(self) -> None:
        """``scale`` and ``offset`` have at least one number."""
        check_minimum(self.op, "numbers", [len(self.scale), len(self.offset)], 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape."""
        for numbers in (self.scale, self.offset):
            if len(numbers) > 1 and (
                len(shapes[0]) < 2 or shapes[0][-1] != len(numbers)
            ):
                raise ValueError(
                    f"{self.op}: expected an input of {len(numbers)} features, "
                    f"got {shapes[0]}"
                )
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        y: Array = x * np.array(self.scale, x.dtype) + np.array(self.offset, x.dtype)
        return y

    def typical_input(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """The mean and deviation that rescaling turns into 0 and 1."""
        scale, offset = np.array(self.scale), np.array(self.offset)
        if not scale.all():
            return None
        return -offset / scale, np.abs(1.0 / scale)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless each time step has its own numbers."""
        per_feature = len(self.scale) > 1 or len(self.offset) > 1
        return per_step_unless_time_in([-1] if per_feature else [], len(shapes[0]))


class Standardization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)``, or its inverse: Keras' Normalization.

    Keras 3.15 ``keras/src/layers/preprocessing/normalization.py``.

    Args:
        axes: axes with one mean and variance for each index.
        invert: compute original numbers from standardized ones.
        constants_shape: the shape of ``mean`` and ``variance`` if they are constants;
            (0,) if they are weights.
        mean: constants, in C order; empty if they are weights.
        variance: the same.
    """

    op = "standardization"
    independent_rows = True
    storage_axes = stored(mean=FEW, variance=FEW)
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    invert: bool = False
    constants_shape: tuple[int, ...] = (0,)
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()

    def check(self) -> None:
        """``mean`` and ``variance`` fit ``constants_shape``."""
        size = 1
        for n in self.constants_shape:
            check_minimum(self.op, "constants_shape", [n], 0)
            size *= n
        if {len(self.mean), len(self.variance)} != {size}:
            raise ValueError(
                f"{self.op}: expected {size} means and variances for constants_shape="
                f"{self.constants_shape}, got {len(self.mean)} and {len(self.variance)}"
            )

    def _axes(self, rank: int) -> list[int]:
        return sorted(normalize_axis(axis, rank) for axis in self.axes)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """mean, variance: the input's sizes along the axes; none if constants."""
        shape = tuple(shapes[0][axis] for axis in self._axes(len(shapes[0])))
        if self.mean:
            return {}
        return {"mean": shape, "variance": shape}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape."""
        axes = self._axes(len(shapes[0]))
        if self.mean:
            sizes = [shapes[0][axis] for axis in axes]
            constants = self.constants_shape
            fits = len(constants) <= len(sizes) and all(
                n in (1, size) for n, size in zip(constants[::-1], sizes[::-1])
            )
            if not fits or None in sizes:
                raise ValueError(
                    f"{self.op}: expected means that broadcast to axes {axes} of the "
                    f"input {shapes[0]}, got shape {constants}"
                )
        return (shapes[0],)

    def _mean_and_variance(
        self, weights: Mapping[str, Array], dtype: Any
    ) -> list[Array]:
        """Mean and variance, from the constants or the weights."""
        if not self.mean:
            return [weights["mean"], weights["variance"]]
        return [
            np.array(numbers, dtype).reshape(self.constants_shape)
            for numbers in (self.mean, self.variance)
        ]

    def typical_input(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """The mean and deviation of the data that the layer was adapted to."""
        if self.invert:
            return None
        axes = self._axes(rank)
        mean, variance = self._mean_and_variance(weights, np.float64)
        missing = (1,) * (len(axes) - mean.ndim)
        sizes = iter((*missing, *mean.shape))
        shape = [next(sizes) if i in axes else 1 for i in range(rank)]
        deviation = np.maximum(np.sqrt(variance), LEAST_DEVIATION)
        return mean.reshape(shape), deviation.reshape(shape)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = self._axes(x.ndim)
        sizes = [x.shape[axis] for axis in axes]
        shape = [x.shape[i] if i in axes else 1 for i in range(x.ndim)]
        mean, variance = (
            np.broadcast_to(array, sizes).reshape(shape)
            for array in self._mean_and_variance(weights, x.dtype)
        )
        deviation = np.maximum(np.sqrt(variance), x.dtype.type(LEAST_DEVIATION))
        y: Array = mean + x * deviation if self.invert else (x - mean) / deviation
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless each time step has its own mean and variance."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


LAYERS = {layer.op: layer for layer in (Rescaling, Standardization)}
