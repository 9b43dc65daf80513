"""Locally connected layers: convolution with separate weights for each position."""

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
    """``activation(window @ kernel of its position + bias of its position)``.

    The rows of a kernel are in the order of a window: with ``channels_first`` the
    channels come first.  With ``dense`` the kernel has a number for every pair of input
    and output elements; numbers of inputs outside of the output's window count as 0.
    Only ``dense`` supports ``same``, which pads half a window before each axis for any
    strides.  tf_keras 2.21 ``tf_keras/src/layers/locally_connected``,
    ``implementation`` 1 and 2.
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
        """Tuples have one positive size per axis; ``same`` needs ``dense``."""
        check_per_axis(self, "kernel_size", "strides")
        check_minimum(self.op, "filters", [self.filters], 1)
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.padding == "same" and not self.dense:
            raise ValueError(f"{self.op}: padding 'same' needs dense=true")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (positions, window, filters), bias (*out_space, filters).

        A dense kernel is (*space, channels, *out_space, filters), or with
        ``channels_first`` (channels, *space, filters, *out_space).
        """
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        _, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(space, self.kernel_size, self.strides, self.padding)
        known = [size for size in out_space if size is not None]
        if channels is None or len(known) < len(out_space):
            raise ValueError(
                f"{self.op}: expected an input with known sizes, got shape {shapes[0]}"
            )
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
        """(batch, *out_space, filters), or (batch, filters, *out_space)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, _ = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(space, self.kernel_size, self.strides, self.padding)
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
        y = self._dense(kernel, x) if self.dense else self._per_position(kernel, x)
        y = from_channels_last(y, self.data_format)
        if self.use_bias:
            # Keras reshapes the bias to ``channels_first`` without transposing it.
            y = y + weights["bias"].reshape(y.shape[1:])
        return function_of(self.activation)(y)

    def _per_position(self, kernel: Array, x: Array) -> Array:
        """One matrix product for each position."""
        rank = len(self.kernel_size)
        view = windows(x, self.kernel_size, self.strides, (1,) * rank)
        if self.data_format == "channels_last":
            view = np.moveaxis(view, rank + 1, -1)
        batch, *space = view.shape[: rank + 1]
        rows = view.reshape(batch, prod(space), kernel.shape[1]).swapaxes(0, 1)
        y: Array = (rows @ kernel).swapaxes(0, 1)
        return y.reshape(batch, *space, self.filters)

    def _dense(self, kernel: Array, x: Array) -> Array:
        """One matrix product, with 0 for weights outside of the windows."""
        space, rank = x.shape[1:-1], len(self.kernel_size)
        if self.data_format == "channels_first":
            kernel = np.moveaxis(np.moveaxis(kernel, 0, rank), rank + 1, -1)
        in_window = self._in_window(space)
        out_space = in_window.shape[rank:]
        inside = in_window.reshape(*space, 1, *out_space, 1)
        rows = x.reshape(x.shape[0], prod(x.shape[1:]))
        columns = np.where(inside, kernel, kernel.dtype.type(0))
        y: Array = rows @ columns.reshape(rows.shape[1], prod(out_space) * self.filters)
        return y.reshape(x.shape[0], *out_space, self.filters)

    def _in_window(self, space: tuple[int, ...]) -> Array:
        """(*space, *out_space), True where a position is in a window."""
        # Positions are numbered from 1 on; 0 is padding.
        numbers = np.arange(1.0, prod(space) + 1).reshape(1, *space, 1)
        ones = (1,) * len(space)
        before = [size // 2 for size in self.kernel_size]
        if self.padding == "valid":
            before = []
        numbers = padded(
            numbers, self.kernel_size, self.strides, self.padding, 0.0, before
        )
        view = windows(numbers, self.kernel_size, self.strides, ones)[0]
        out_space = view.shape[: len(space)]
        inside = np.zeros((prod(space) + 1, prod(out_space)), bool)
        members = view.reshape(prod(out_space), -1).astype(int)
        inside[members, np.arange(prod(out_space))[:, None]] = True
        return inside[1:].reshape(*space, *out_space)

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Samples times the size of the kernel."""
        return inputs[0][0] * element_count(self.weight_shapes(inputs[0])["kernel"])


LAYERS = {LocallyConnected.op: LocallyConnected}
