"""Pooling to a fixed number of windows, for any size of the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import no_products
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    check_choice,
    check_minimum,
    check_rank,
)
from gru2np_runtime.layers.windows import (
    Spatial,
    from_channels_last,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class AdaptivePooling(Spatial):
    """One number for each of ``output_size`` windows along each spatial axis.

    From n steps to m windows, window i covers the steps from ``floor(i * n / m)`` up
    to, and without, ``ceil((i + 1) * n / m)``.  Keras 3.15
    ``keras/src/backend/tensorflow/nn.py``.
    """

    per_axis = "output_size"
    multiply_adds = no_products
    output_size: tuple[int, ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """Output sizes are at least 1."""
        if not self.output_size:
            raise ValueError(f"{self.op}: output_size is empty")
        check_minimum(self.op, "output_size", self.output_size, 1)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *output_size, channels), or (batch, channels, *output_size)."""
        check_rank(self.op, shapes[0], len(self.output_size) + 2)
        batch, *_, channels = shape_to_channels_last(shapes[0], self.data_format)
        return (
            shape_from_channels_last(
                (batch, *self.output_size, channels), self.data_format
            ),
        )

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        for axis, count in enumerate(self.output_size, start=1):
            if x.shape[axis] == 0:
                raise InputError(f"{self.op}: expected at least 1 step, got 0")
            steps, inside = _windows(x.shape[axis], count)
            shape = [1] * (x.ndim + 1)
            shape[axis : axis + 2] = inside.shape
            # The axis becomes two: windows, and the steps of each window.
            x = self.reduce_windows(
                x.take(steps, axis), inside.reshape(shape), axis + 1
            )
        return from_channels_last(x, self.data_format)

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """One number for each window.

        Args:
            x: windows along ``axis - 1``, the steps of each along ``axis``.
            inside: True for steps that belong to the window; broadcasts to x.
            axis: the axis that is reduced.
        """
        raise NotImplementedError


class AdaptiveMaxPooling(AdaptivePooling):
    """The maximum of each window."""

    op = "adaptive_max_pooling"

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """The maximum over the axis."""
        y: Array = x.max(axis, where=inside, initial=-math.inf)
        return y


class AdaptiveAveragePooling(AdaptivePooling):
    """The mean of each window."""

    op = "adaptive_average_pooling"

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """The mean over the axis; NaN outside of the window has no effect."""
        mean: Array = x.sum(axis, where=inside) / inside.sum(axis, dtype=x.dtype)
        return mean


def _windows(steps: int, count: int) -> tuple[Array, Array]:
    """Step indices (count, longest window), and which of them are in the window."""
    starts = np.arange(count) * steps // count
    ends = -(-np.arange(1, count + 1) * steps // count)
    indices = starts[:, None] + np.arange((ends - starts).max())
    return np.minimum(indices, steps - 1), indices < ends[:, None]


LAYERS = {layer.op: layer for layer in (AdaptiveAveragePooling, AdaptiveMaxPooling)}
