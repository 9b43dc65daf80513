"""Local connections: a convolution with weights of its own at every place."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import function_of
from gru2np_runtime.layer import FEW, stored
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    activated_shape,
    check_choice,
    check_minimum,
    check_per_axis,
    check_rank,
    element_count,
)
from gru2np_runtime.layers.windows import (
    Spatial,
    from_channels_last,
    padded,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
    window_counts,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class LocallyConnected(Spatial):
    """``activation(window @ the kernel of its place + the bias of its place)``.

    A kernel's rows stand in the order of a window: with ``channels_first`` one channel
    after the other.  With ``dense`` the kernel has a number for every pair of an input
    and an output, used where the one is in the window of the other; ``same`` is for
    that alone, and pads half a window in front whatever the strides.  tf_keras 2.21
    ``tf_keras/src/layers/locally_connected``, ``implementation`` 1 and 2.
    """

    op = "locally_connected"
    storage_axes = stored(kernel=-1, bias=FEW)
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str = "valid"
    dense: bool = False
    data_format: str = "channels_last"
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Sizes are positive and belong to the same axes."""
        check_per_axis(self, "kernel_size", "strides")
        check_minimum(self.op, "filters", [self.filters], 1)
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.padding == "same" and not self.dense:
            raise ValueError(f"{self.op}: padding same needs a dense kernel")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (places, window, filters), bias (*windows, filters).

        A dense kernel is (*space, channels, *windows, filters), or with
        ``channels_first`` (channels, *space, filters, *windows).
        """
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        _, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(
            tuple(space), self.kernel_size, self.strides, self.padding
        )
        known = [size for size in out_space if size is not None]
        if channels is None or len(known) < len(out_space):
            raise ValueError(f"{self.op}: sizes are open in an input {shapes[0]}")
        kernel: Shape = (prod(known), prod(self.kernel_size) * channels, self.filters)
        if self.dense:
            outputs = shape_from_channels_last(
                (None, *out_space, self.filters), self.data_format
            )
            kernel = (*shapes[0][1:], *outputs[1:])
        expected: dict[str, Shape] = {"kernel": kernel}
        if self.use_bias:
            expected["bias"] = (*out_space, self.filters)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *windows, filters), or (batch, filters, *windows)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, _ = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(
            tuple(space), self.kernel_size, self.strides, self.padding
        )
        y = shape_from_channels_last(
            (batch, *out_space, self.filters), self.data_format
        )
        return (activated_shape(self.activation, y),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        kernel = weights["kernel"]
        y = self._dense(kernel, x) if self.dense else self._by_place(kernel, x)
        y = from_channels_last(y, self.data_format)
        if self.use_bias:
            # Keras reads the same numbers in another shape, and transposes nothing.
            y = y + weights["bias"].reshape(y.shape[1:])
        return function_of(self.activation)(y)

    def _by_place(self, kernel: Array, x: Array) -> Array:
        """One matrix product for each place."""
        rank = len(self.kernel_size)
        view = windows(x, self.kernel_size, self.strides, (1,) * rank)
        if self.data_format == "channels_last":
            view = np.moveaxis(view, rank + 1, -1)
        batch, *space = view.shape[: rank + 1]
        rows = view.reshape(batch, prod(space), kernel.shape[1]).swapaxes(0, 1)
        y: Array = (rows @ kernel).swapaxes(0, 1)
        return y.reshape(batch, *space, self.filters)

    def _dense(self, kernel: Array, x: Array) -> Array:
        """One matrix product, of what is within reach."""
        space, rank = x.shape[1:-1], len(self.kernel_size)
        if self.data_format == "channels_first":
            kernel = np.moveaxis(np.moveaxis(kernel, 0, rank), rank + 1, -1)
        within = self._within(space)
        out_space = within.shape[rank:]
        inside = within.reshape(*space, 1, *out_space, 1)
        rows = x.reshape(x.shape[0], prod(x.shape[1:]))
        columns = np.where(inside, kernel, kernel.dtype.type(0))
        y: Array = rows @ columns.reshape(rows.shape[1], prod(out_space) * self.filters)
        return y.reshape(x.shape[0], *out_space, self.filters)

    def _within(self, space: tuple[int, ...]) -> Array:
        """(*space, *windows), True where a place is in a window."""
        # Each place by its number, from 1 on, and 0 for padding.
        numbers = np.arange(1.0, prod(space) + 1).reshape(1, *space, 1)
        ones = (1,) * len(space)
        halves = [size // 2 for size in self.kernel_size]
        if self.padding == "valid":
            halves = []
        numbers = padded(
            numbers, self.kernel_size, self.strides, self.padding, 0.0, halves
        )
        view = windows(numbers, self.kernel_size, self.strides, ones)[0]
        out_space = view.shape[: len(space)]
        found = np.zeros((prod(space) + 1, prod(out_space)), bool)
        members = view.reshape(prod(out_space), -1).astype(int)
        found[members, np.arange(prod(out_space))[:, None]] = True
        return found[1:].reshape(*space, *out_space)

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Every number of the kernel once a sample."""
        return inputs[0][0] * element_count(self.weight_shapes(inputs[0])["kernel"])


LAYERS = {LocallyConnected.op: LocallyConnected}
