"""Transposed convolution: every number of the input spreads over a window."""

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

    Along an axis of n steps the windows reach over ``(n - 1) * stride + reach`` steps.
    ``valid`` keeps these, and appends zeros up to ``n * stride``; ``same`` keeps
    ``n * stride`` of them, cutting the odd one behind.  ``output_padding``, if given,
    says how many steps stand behind ``(n - 1) * stride + reach`` with ``valid``, and
    behind ``(n - 1) * stride + reach % 2`` with ``same``.  Keras 3.15
    ``keras/src/backend/common/backend_utils.py``,
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
        """Sizes are positive and belong to the same axes."""
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
        for (tail, _), stride in zip(self.ends(), self.strides):
            # TensorFlow takes no other length for the input of such a convolution.
            if self.padding == "same" and not 1 <= tail <= stride:
                raise ValueError(
                    f"{self.op}: with padding same, these output_padding and "
                    f"kernel_size keep {tail} steps for the last window, expected "
                    f"1 to {stride}"
                )

    def ends(self) -> list[tuple[int, int]]:
        """For each axis, steps kept from the last window's first on, and cut in front.

        The first counts what is there without a cut in front.
        """
        found = []
        reaches = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation)]
        padding: list[int | None] = [*self.output_padding] or [None] * len(reaches)
        for reach, stride, more in zip(reaches, self.strides, padding):
            if self.padding == "valid":
                tail = max(reach, stride) if more is None else reach + more
                found.append((tail, 0))
                continue
            tail = stride if more is None else reach % 2 + more
            found.append((tail, max(reach - tail, 0) // 2))
        return found

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
        """(batch, *longer space, filters), or (batch, filters, *longer space)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, _ = shape_to_channels_last(shapes[0], self.data_format)
        longer = [
            None if n is None else self.length(n, stride, tail)
            for n, stride, (tail, _) in zip(space, self.strides, self.ends())
        ]
        y = shape_from_channels_last((batch, *longer, self.filters), self.data_format)
        return (activated_shape(self.activation, y),)

    def length(self, steps: int, stride: int, tail: int) -> int:
        """How long an axis of so many steps becomes.

        Raises:
            InputError: there is no step.
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
        # One row for each number's place, with all it adds to its window.
        rows = x.reshape(batch * prod(space), channels)
        spread = rows @ kernel.reshape(taps * filters, channels).T
        spread = spread.reshape(batch, *space, *self.kernel_size, filters)
        first = len(space) + 1
        spread = np.moveaxis(spread, range(first, 2 * first - 1), range(first - 1))
        lengths, places = [], []
        for n, k, stride, gap, (tail, cut) in zip(
            space, self.kernel_size, self.strides, self.dilation, self.ends()
        ):
            kept = self.length(n, stride, tail)
            lengths.append(max((n - 1) * stride + (k - 1) * gap + 1, cut + kept))
            places.append((cut, cut + kept))
        y = np.zeros((batch, *lengths, filters), spread.dtype)
        for tap in product(*(range(k) for k in self.kernel_size)):
            # The same tap of all windows: these never overlap.
            target = [slice(None)] + [
                slice(i * gap, i * gap + (n - 1) * stride + 1, stride)
                for i, gap, n, stride in zip(tap, self.dilation, space, self.strides)
            ]
            y[tuple(target)] += spread[tap]
        y = y[tuple([slice(None)] + [slice(*ends) for ends in places])]
        if self.use_bias:
            y = y + weights["bias"]
        return function_of(self.activation)(from_channels_last(y, self.data_format))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The kernel at every place of the input."""
        kernel = self.weight_shapes(inputs[0])["kernel"]
        return position_count(inputs[0], self.data_format) * element_count(kernel)


LAYERS = {ConvTranspose.op: ConvTranspose}
