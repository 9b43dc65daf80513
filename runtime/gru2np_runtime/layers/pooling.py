"""Pooling over windows, and over all of time or space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layer import Layer, across, no_products
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    check_choice,
    check_per_axis,
    check_rank,
)
from gru2np_runtime.layers.operation import check_floats
from gru2np_runtime.layers.windows import (
    Spatial,
    check_before,
    from_channels_last,
    padded,
    pool_axis,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
    window_counts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class Pooling(Spatial):
    """One number for each window and channel.

    ``pool_size``, ``strides`` and ``before`` have one number for each spatial axis.
    ``before`` is what ``same`` pads before each axis; empty: half of the padding,
    rounded down.
    """

    per_axis = "pool_size"
    multiply_adds = no_products
    pool_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str = "valid"
    before: tuple[int, ...] = ()
    data_format: str = "channels_last"

    def check(self) -> None:
        """Tuples have one positive size per axis."""
        check_per_axis(self, "pool_size", "strides")
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_before(self.op, self.before, self.pool_size, self.padding)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *out_space, channels), or (batch, channels, *out_space)."""
        check_rank(self.op, shapes[0], len(self.pool_size) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(space, self.pool_size, self.strides, self.padding)
        return (
            shape_from_channels_last((batch, *out_space, channels), self.data_format),
        )

    def pool(self, x: Array, pad: float, function: np.ufunc) -> Array:
        """x: (batch, *space, channels) to (batch, *out_space, channels).

        Args:
            x: the input, not yet padded.
            pad: the value of the padding.
            function: of two numbers, commutative and associative.

        Raises:
            InputError: a window is longer than x.
        """
        x = padded(x, self.pool_size, self.strides, self.padding, pad, self.before)
        for axis, (size, stride) in enumerate(zip(self.pool_size, self.strides), 1):
            x = pool_axis(x, axis, size, stride, function)
        # With windows of one number, x may still be a view of the input.
        return x if max(self.pool_size) > 1 else x.copy()


def lowest_value(x: Array) -> float:
    """The neutral element of the maximum in x's dtype."""
    return -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)


class MaxPooling(Pooling):
    """The maximum of each window; padding has no effect."""

    op = "max_pooling"
    keeps_integers = True

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        return from_channels_last(
            self.pool(x, lowest_value(x), np.maximum), self.data_format
        )


class AveragePooling(Pooling):
    """The mean of each window; with ``counts_padding``, padding counts as zeros."""

    op = "average_pooling"
    counts_padding: bool = False

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        total = self.pool(x, 0.0, np.add)
        if self.counts_padding:
            return from_channels_last(
                total / float(math.prod(self.pool_size)), self.data_format
            )
        # The sum of ones is the number of elements in each window.
        ones = np.ones((1, *x.shape[1:-1], 1), x.dtype)
        return from_channels_last(
            total / self.pool(ones, 0.0, np.add), self.data_format
        )


class MaxPooled(MaxPooling):
    """``MaxPooling`` as an operation: it keeps the dtype of its input."""

    op = "max_pooled"
    casts_floats = False


class AveragePooled(AveragePooling):
    """``AveragePooling`` as an operation: it keeps the dtype of its input, a float."""

    op = "average_pooled"
    casts_floats = False

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]


class GlobalPooling(Layer):
    """One number for each channel, over all spatial axes.

    ``keepdims`` keeps the spatial axes, with size 1.
    """

    is_sequence = True
    independent_rows = True
    over_time = across
    multiply_adds = no_products
    keepdims: bool = False
    data_format: str = "channels_last"

    def check(self) -> None:
        """``data_format`` is a known one."""
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, channels), or with ``keepdims`` spatial axes of size 1 too."""
        if len(shapes[0]) < 3:
            raise ValueError(
                f"{self.op}: expected an input of rank 3 or more, got {shapes[0]}"
            )
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        if not self.keepdims:
            return ((batch, channels),)
        return (
            shape_from_channels_last(
                (batch, *(1 for _ in space), channels), self.data_format
            ),
        )

    def space(self, x: Array) -> tuple[int, ...]:
        """The spatial axes of x."""
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + x.ndim - 2))


class GlobalMaxPooling(GlobalPooling):
    """The maximum over time or space; masks have no effect, as in Keras."""

    op = "global_max_pooling"
    keeps_integers = True

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = inputs[0]
        y: Array = x.max(self.space(x), keepdims=self.keepdims, initial=lowest_value(x))
        return y


class GlobalAveragePooling(GlobalPooling):
    """The mean over time or space, over valid steps only; NaN if there are none."""

    op = "global_average_pooling"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space).

        Args:
            weights: empty.
            inputs: x.
            mask: (batch, time), True for valid steps; for one spatial axis only.
        """
        x = inputs[0]
        axes = self.space(x)
        steps = np.ones((1,) * x.ndim, x.dtype) * math.prod(x.shape[i] for i in axes)
        if mask is not None:
            valid = mask[..., None] if axes == (1,) else mask[:, None]
            x = np.where(valid, x, x.dtype.type(0))
            steps = valid.sum(axis=axes, keepdims=True, dtype=x.dtype)
        total = x.sum(axis=axes, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            y: Array = total / steps
        return y if self.keepdims else y.squeeze(axes)


LAYERS = {
    layer.op: layer
    for layer in (
        *(AveragePooled, AveragePooling, GlobalAveragePooling, GlobalMaxPooling),
        *(MaxPooled, MaxPooling),
    )
}
