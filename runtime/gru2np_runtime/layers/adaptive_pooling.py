"""Pooling to a given number of windows, whatever the size of the input."""

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

    Window i of n steps into m reaches from ``floor(i * n / m)`` to
    ``ceil((i + 1) * n / m)``.  Keras 3.15 ``keras/src/backend/tensorflow/nn.py``.
    """

    per_axis = "output_size"
    multiply_adds = no_products
    output_size: tuple[int, ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """There is at least one window along each axis."""
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
            # Windows stand side by side in one more axis behind this one.
            x = self.reduce_windows(
                x.take(steps, axis), inside.reshape(shape), axis + 1
            )
        return from_channels_last(x, self.data_format)

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """One number for each window of x along the axis, of what is inside."""
        raise NotImplementedError


class AdaptiveMaxPooling(AdaptivePooling):
    """The largest of each window."""

    op = "adaptive_max_pooling"

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """The largest."""
        y: Array = x.max(axis, where=inside, initial=-math.inf)
        return y


class AdaptiveAveragePooling(AdaptivePooling):
    """The mean of each window."""

    op = "adaptive_average_pooling"

    def reduce_windows(self, x: Array, inside: Array, axis: int) -> Array:
        """The mean; what is outside has no part in it, were it NaN."""
        mean: Array = x.sum(axis, where=inside) / inside.sum(axis, dtype=x.dtype)
        return mean


def _windows(steps: int, count: int) -> tuple[Array, Array]:
    """The steps of every window (count, longest), and which of them are inside."""
    starts = np.arange(count) * steps // count
    ends = -(-np.arange(1, count + 1) * steps // count)
    places = starts[:, None] + np.arange((ends - starts).max())
    return np.minimum(places, steps - 1), places < ends[:, None]


LAYERS = {layer.op: layer for layer in (AdaptiveAveragePooling, AdaptiveMaxPooling)}
