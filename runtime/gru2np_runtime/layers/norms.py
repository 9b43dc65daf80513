"""Vectors divided by a norm of their own: root mean square and Euclidean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layer import Layer, no_products
from gru2np_runtime.layers.axes import apart_from_time, axis_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class RMSNormalization(Layer):
    """``x / sqrt(mean(x * x) + epsilon) * scale``; scale meets the last axes of x.

    Zhang and Sennrich 2019, arXiv:1910.07467; Keras 3.15 ``keras/src/ops/nn.py``.
    """

    op = "rms_normalization"
    rows_apart = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-6

    def check(self) -> None:
        """There is an axis, and a mean stays at least 0."""
        if not self.axes or not self.epsilon >= 0:
            raise ValueError(f"{self.op}: illegal axes or epsilon: {self}")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """scale: sizes of the axes, in their order."""
        x = shapes[0]
        return {"scale": tuple(x[axis] for axis in self._sorted(len(x)))}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's."""
        x = shapes[0]
        kept = [x[axis] for axis in self._sorted(len(x))]
        if any(n not in (1, size) for n, size in zip(kept[::-1], x[::-1])):
            raise ValueError(f"{self.op}: a scale of {kept} for an input of {x}")
        return (x,)

    def _sorted(self, rank: int) -> list[int]:
        return sorted(axis_of(axis, rank) for axis in self.axes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = self._sorted(x.ndim)
        size = float(math.prod(x.shape[axis] for axis in axes))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (x * x).sum(axis=tuple(axes), keepdims=True) / size
            y: Array = x * (1.0 / np.sqrt(mean + self.epsilon))
            return y * weights["scale"]

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for means over time."""
        return apart_from_time(self.axes, len(shapes[0]))


class UnitNormalization(Layer):
    """``x / max(norm(x), least_norm)``, the norm being the Euclidean one.

    Keras 3.15 ``keras/src/layers/normalization/unit_normalization.py``.
    """

    op = "unit_normalization"
    rows_apart = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    least_norm: float

    def check(self) -> None:
        """There is an axis, and nothing is divided by 0."""
        if not self.axes or not self.least_norm > 0:
            raise ValueError(f"{self.op}: illegal axes or least_norm: {self}")

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = tuple(axis_of(axis, x.ndim) for axis in self.axes)
        norm = np.sqrt((x * x).sum(axis=axes, keepdims=True))
        y: Array = x * (1.0 / np.maximum(norm, norm.dtype.type(self.least_norm)))
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for norms over time."""
        return apart_from_time(self.axes, len(shapes[0]))


LAYERS = {layer.op: layer for layer in (RMSNormalization, UnitNormalization)}
