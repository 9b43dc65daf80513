"""Convolution over time or over several spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.activations import activate, add_to, axes_of
from gru2np_runtime.layer import ACROSS, CARRIED, FEW, PER_STEP, stored
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    activated_shape,
    check_choice,
    check_minimum,
    check_per_axis,
    check_rank,
    element_count,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.windows import (
    Spatial,
    check_before,
    convolve,
    from_channels_last,
    padded,
    position_count,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
    window_counts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class Conv(Spatial):
    """``activation(windows of x @ kernel + bias)``; the kernel is not flipped.

    Tuple attributes have one number for each spatial axis: one for Conv1D.  ``before``
    is what ``same`` pads before each axis; empty: half of the padding, rounded down.
    """

    op = "conv"
    storage_axes = stored(kernel=-1, bias=FEW)
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    before: tuple[int, ...] = ()
    groups: int = 1
    data_format: str = "channels_last"
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Tuples have one positive size per axis; groups divide filters."""
        check_per_axis(self, "kernel_size", "strides", "dilation")
        check_minimum(self.op, "filters", [self.filters], 1)
        check_minimum(self.op, "groups", [self.groups], 1)
        choices = ("valid", "same", "causal", "full")
        check_choice(self.op, "padding", self.padding, choices)
        check_before(self.op, self.before, self.reach, self.padding)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.filters % self.groups:
            raise ValueError(
                f"conv: expected groups to divide filters={self.filters}, "
                f"got {self.groups}"
            )
        if self.padding == "causal" and len(self.kernel_size) != 1:
            raise ValueError(
                "conv: expected one spatial axis with padding 'causal', "
                f"got {len(self.kernel_size)}"
            )

    @property
    def reach(self) -> tuple[int, ...]:
        """The receptive field along each axis, dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation))

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (*kernel_size, channels / groups, filters), bias (filters,)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        channels = shape_to_channels_last(shapes[0], self.data_format)[-1]
        if channels is not None and channels % self.groups:
            raise ValueError(
                f"expected channels to be a multiple of groups={self.groups}, "
                f"got {channels}"
            )
        depth = None if channels is None else channels // self.groups
        expected: dict[str, Shape] = {
            "kernel": (*self.kernel_size, depth, self.filters)
        }
        if self.use_bias:
            expected["bias"] = (self.filters,)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *out_space, filters), or (batch, filters, *out_space)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, _ = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(space, self.reach, self.strides, self.padding)
        y = shape_from_channels_last(
            (batch, *out_space, self.filters), self.data_format
        )
        return (activated_shape(self.activation, y),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        x = padded(x, self.reach, self.strides, self.padding, 0.0, self.before)
        return self.convolve(weights, x)

    def convolve(self, weights: Mapping[str, Array], x: Array) -> Array:
        """The output for x: (batch, *space, channels), already padded."""
        kernel = weights["kernel"]
        y = convolve(x, kernel, self.strides, self.dilation, self.groups)
        if self.use_bias:
            y = add_to(y, weights["bias"])
        return activate(self.activation, from_channels_last(y, self.data_format))

    def over_time(self, *shapes: Shape) -> str:
        """CARRIED with causal padding; per step with a kernel of one step."""
        if self.data_format != "channels_last" or self.strides[0] != 1:
            return ACROSS
        if per_step_unless_time_in(axes_of(self.activation), len(shapes[0])) == ACROSS:
            return ACROSS
        if self.kernel_size[0] == 1:
            return PER_STEP
        return CARRIED if self.padding == "causal" else ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Output positions times the size of the kernel."""
        kernel = self.weight_shapes(inputs[0])["kernel"]
        return position_count(outputs[0], self.data_format) * element_count(kernel)


LAYERS = {Conv.op: Conv}
