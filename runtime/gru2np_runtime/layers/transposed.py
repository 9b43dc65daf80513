"""Transposed convolution: each input position adds to a window of the output."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import function_of
from gru2np_runtime.errors import InputError
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
    position_count,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class ConvTranspose(Spatial):
    """The gradient of a convolution by its input, plus a bias, then the activation.

    The windows of an axis of n steps cover ``(n - 1) * stride + reach`` steps, with
    ``reach = (kernel_size - 1) * dilation + 1``.  ``valid`` keeps all of them, and
    appends zeros up to ``n * stride`` if that is more.  ``same`` keeps ``n * stride``
    of them; of an odd number of steps to cut, it cuts one more at the end.
    With ``output_padding`` the output has that many steps more than
    ``(n - 1) * stride + reach`` for ``valid``, and ``(n - 1) * stride + reach % 2`` for
    ``same``.  Keras 3.15 ``keras/src/backend/common/backend_utils.py``,
    ``_get_output_shape_given_tf_padding``; Dumoulin and Visin 2016 (arXiv:1603.07285).
    """

    op = "conv_transpose"
    storage_axes = stored(kernel=-2, bias=FEW)
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    output_padding: tuple[int, ...] = ()
    data_format: str = "channels_last"
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Tuples have one positive size per axis, and ``output_padding`` is legal."""
        check_per_axis(self, "kernel_size", "strides", "dilation")
        check_minimum(self.op, "filters", [self.filters], 1)
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.output_padding and len(self.output_padding) != len(self.kernel_size):
            raise ValueError(
                f"{self.op}: output_padding and kernel_size differ in length"
            )
        for more, stride in zip(self.output_padding, self.strides):
            if not 0 <= more < stride:
                raise ValueError(
                    f"{self.op}: output_padding is {more}, expected 0 to {stride - 1}"
                )
        for (tail, _), stride in zip(self.tails(), self.strides):
            # TensorFlow supports no other output length.
            if self.padding == "same" and not 1 <= tail <= stride:
                raise ValueError(
                    f"{self.op}: with padding 'same', expected output_padding and "
                    f"kernel_size that keep 1 to {stride} steps of the last window, "
                    f"got {tail}"
                )

    def tails(self) -> list[tuple[int, int]]:
        """(tail, cut) of each spatial axis.

        The output has ``(n - 1) * stride + tail`` steps, starting after the first
        ``cut`` steps that the windows cover.
        """
        tails = []
        reaches = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation)]
        padding: list[int | None] = [*self.output_padding] or [None] * len(reaches)
        for reach, stride, more in zip(reaches, self.strides, padding):
            if self.padding == "valid":
                tail = max(reach, stride) if more is None else reach + more
                tails.append((tail, 0))
                continue
            tail = stride if more is None else reach % 2 + more
            tails.append((tail, max(reach - tail, 0) // 2))
        return tails

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (*kernel_size, filters, channels), bias (filters,)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        channels = shape_to_channels_last(shapes[0], self.data_format)[-1]
        expected: dict[str, Shape] = {
            "kernel": (*self.kernel_size, self.filters, channels)
        }
        if self.use_bias:
            expected["bias"] = (self.filters,)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *out_space, filters), or (batch, filters, *out_space)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, _ = shape_to_channels_last(shapes[0], self.data_format)
        out_space = [
            None if n is None else self.output_length(n, stride, tail)
            for n, stride, (tail, _) in zip(space, self.strides, self.tails())
        ]
        y = shape_from_channels_last(
            (batch, *out_space, self.filters), self.data_format
        )
        return (activated_shape(self.activation, y),)

    def output_length(self, steps: int, stride: int, tail: int) -> int:
        """The number of output steps for n input steps.

        Raises:
            InputError: there is no input step.
        """
        if steps < 1:
            raise InputError(f"{self.op}: expected at least 1 step, got {steps}")
        return (steps - 1) * stride + tail

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        batch, *space, channels = x.shape
        kernel = weights["kernel"]
        taps, filters = prod(self.kernel_size), self.filters
        # One row for each input position, with the numbers that it adds to its window.
        rows = x.reshape(batch * prod(space), channels)
        added = rows @ kernel.reshape(taps * filters, channels).T
        added = added.reshape(batch, *space, *self.kernel_size, filters)
        first = len(space) + 1
        added = np.moveaxis(added, range(first, 2 * first - 1), range(first - 1))
        lengths, bounds = [], []
        for n, k, stride, dilation, (tail, cut) in zip(
            space, self.kernel_size, self.strides, self.dilation, self.tails()
        ):
            kept = self.output_length(n, stride, tail)
            lengths.append(max((n - 1) * stride + (k - 1) * dilation + 1, cut + kept))
            bounds.append((cut, cut + kept))
        y = np.zeros((batch, *lengths, filters), added.dtype)
        for tap in product(*(range(k) for k in self.kernel_size)):
            # The positions of one tap in different windows never overlap.
            target = [slice(None)] + [
                slice(i * dilation, i * dilation + (n - 1) * stride + 1, stride)
                for i, dilation, n, stride in zip(
                    tap, self.dilation, space, self.strides
                )
            ]
            y[tuple(target)] += added[tap]
        y = y[tuple([slice(None)] + [slice(*pair) for pair in bounds])]
        if self.use_bias:
            y = y + weights["bias"]
        return function_of(self.activation)(from_channels_last(y, self.data_format))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Input positions times the size of the kernel."""
        kernel = self.weight_shapes(inputs[0])["kernel"]
        return position_count(inputs[0], self.data_format) * element_count(kernel)


LAYERS = {ConvTranspose.op: ConvTranspose}
