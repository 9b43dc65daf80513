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

# No deviation is smaller: what Keras calls epsilon.
LEAST_DEVIATION = 1e-7


class Rescaling(Layer):
    """``x * scale + offset``, both one number or one for each feature."""

    op = "rescaling"
    rows_apart = True
    multiply_adds = no_products
    scale: tuple[float, ...]
    offset: tuple[float, ...] = (0.0,)

    def check(self) -> None:
        """There are numbers."""
        check_minimum(self.op, "numbers", [len(self.scale), len(self.offset)], 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's."""
        for numbers in (self.scale, self.offset):
            if len(numbers) > 1 and (
                len(shapes[0]) < 2 or shapes[0][-1] != len(numbers)
            ):
                raise ValueError(f"{self.op}: {len(numbers)} numbers for {shapes[0]}")
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        y: Array = x * np.array(self.scale, x.dtype) + np.array(self.offset, x.dtype)
        return y

    def usual(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """Numbers that it makes normal ones."""
        scale, offset = np.array(self.scale), np.array(self.offset)
        if not scale.all():
            return None
        return -offset / scale, np.abs(1.0 / scale)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where features are not the time steps."""
        several = len(self.scale) > 1 or len(self.offset) > 1
        return per_step_unless_time_in([-1] if several else [], len(shapes[0]))


class Standardization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)``, or back: Keras' Normalization.

    Keras 3.15 ``keras/src/layers/preprocessing/normalization.py``.

    Args:
        axes: axes along which every index has a mean of its own.
        invert: from standardised numbers to the original ones.
        constants_shape: of mean and variance where they are no weights; of one axis of
            size 0 where they are.
        mean: such constants, in C order.
        variance: the same.
    """

    op = "standardization"
    rows_apart = True
    storage_axes = stored(mean=FEW, variance=FEW)
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    invert: bool = False
    constants_shape: tuple[int, ...] = (0,)
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()

    def check(self) -> None:
        """There are as many constants as their shape says."""
        size = 1
        for n in self.constants_shape:
            check_minimum(self.op, "constants_shape", [n], 0)
            size *= n
        if {len(self.mean), len(self.variance)} != {size}:
            raise ValueError(f"{self.op}: expected {size} means and variances")

    def _axes(self, rank: int) -> list[int]:
        return sorted(normalize_axis(axis, rank) for axis in self.axes)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """mean, variance: sizes of the axes, if they are no constants."""
        shape = tuple(shapes[0][axis] for axis in self._axes(len(shapes[0])))
        if self.mean:
            return {}
        return {"mean": shape, "variance": shape}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's."""
        axes = self._axes(len(shapes[0]))
        if self.mean:
            kept = [shapes[0][axis] for axis in axes]
            given = self.constants_shape
            fits = len(given) <= len(kept) and all(
                n in (1, size) for n, size in zip(given[::-1], kept[::-1])
            )
            if not fits or None in kept:
                raise ValueError(f"{self.op}: means of shape {given} for {shapes[0]}")
        return (shapes[0],)

    def _given(self, weights: Mapping[str, Array], dtype: Any) -> list[Array]:
        """Mean and variance, constants or weights."""
        if not self.mean:
            return [weights["mean"], weights["variance"]]
        return [
            np.array(numbers, dtype).reshape(self.constants_shape)
            for numbers in (self.mean, self.variance)
        ]

    def usual(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """Numbers of the mean and variance that were found in training."""
        if self.invert:
            return None
        axes = self._axes(rank)
        mean, variance = self._given(weights, np.float64)
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
        kept = [x.shape[axis] for axis in axes]
        shape = [x.shape[i] if i in axes else 1 for i in range(x.ndim)]
        given = self._given(weights, x.dtype)
        mean, variance = (np.broadcast_to(a, kept).reshape(shape) for a in given)
        deviation = np.maximum(np.sqrt(variance), x.dtype.type(LEAST_DEVIATION))
        y: Array = mean + x * deviation if self.invert else (x - mean) / deviation
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for numbers of their own at every time step."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


LAYERS = {layer.op: layer for layer in (Rescaling, Standardization)}
