"""Depthwise and separable convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


class DepthwiseConv(Spatial):
    """``activation(windows of each channel @ its kernel + bias)``.

    Channel i becomes ``depth_multiplier`` channels, from ``i * depth_multiplier`` on.
    Tuple attributes have one number for each spatial axis; ``before`` is that of
    ``Conv``.
    """

    op = "depthwise_conv"
    storage_axes = stored(depthwise_kernel=-2, bias=FEW)
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    depth_multiplier: int = 1
    padding: str = "valid"
    before: tuple[int, ...] = ()
    data_format: str = "channels_last"
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Tuples have one positive size per axis."""
        check_per_axis(self, "kernel_size", "strides", "dilation")
        check_minimum(self.op, "depth_multiplier", [self.depth_multiplier], 1)
        choices = ("valid", "same", "causal")
        check_choice(self.op, "padding", self.padding, choices)
        check_before(self.op, self.before, self.reach, self.padding)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.padding == "causal" and len(self.kernel_size) != 1:
            raise ValueError(
                f"{self.op}: expected one spatial axis with padding 'causal', "
                f"got {len(self.kernel_size)}"
            )

    @property
    def reach(self) -> tuple[int, ...]:
        """The receptive field along each axis, dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation))

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """depthwise_kernel (*kernel_size, channels, depth_multiplier), bias."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        channels = shape_to_channels_last(shapes[0], self.data_format)[-1]
        expected: dict[str, Shape] = {
            "depthwise_kernel": (*self.kernel_size, channels, self.depth_multiplier)
        }
        if self.use_bias:
            expected["bias"] = (self.filters_of(channels),)
        return expected

    def filters_of(self, channels: int | None) -> int | None:
        """The number of output channels."""
        return None if channels is None else channels * self.depth_multiplier

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *out_space, filters), or (batch, filters, *out_space)."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        out_space = window_counts(space, self.reach, self.strides, self.padding)
        y = shape_from_channels_last(
            (batch, *out_space, self.filters_of(channels)), self.data_format
        )
        return (activated_shape(self.activation, y),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        x = padded(x, self.reach, self.strides, self.padding, 0.0, self.before)
        y = self.pointwise(weights, self.depthwise(weights["depthwise_kernel"], x))
        if self.use_bias:
            y = y + weights["bias"]
        return function_of(self.activation)(from_channels_last(y, self.data_format))

    def depthwise(self, kernel: Array, x: Array) -> Array:
        """The convolution of each channel of x, (batch, *space, channels)."""
        *sizes, channels, multiplier = kernel.shape
        # A convolution with as many groups as channels.
        kernel = kernel.reshape(*sizes, 1, channels * multiplier)
        return convolve(x, kernel, self.strides, self.dilation, channels)

    def pointwise(self, weights: Mapping[str, Array], y: Array) -> Array:
        """The step after the depthwise convolution; here none."""
        return y

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Output positions times the sizes of the kernels."""
        shapes = self.weight_shapes(inputs[0])
        taps = sum(element_count(n) for name, n in shapes.items() if name != "bias")
        return position_count(outputs[0], self.data_format) * taps


class SeparableConv(DepthwiseConv):
    """A depthwise convolution, then a product over the channels at each position.

    Keras 3.15 ``keras/src/layers/convolutional/base_separable_conv.py``; Chollet 2017
    (arXiv:1610.02357).
    """

    op = "separable_conv"
    storage_axes = stored(depthwise_kernel=-2, pointwise_kernel=-1, bias=FEW)
    filters: int

    def check(self) -> None:
        """As a depthwise convolution; ``filters`` is at least 1."""
        super().check()
        check_minimum(self.op, "filters", [self.filters], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """The depthwise kernel; pointwise_kernel (1, ..., channels, filters); bias."""
        expected = super().weight_shapes(*shapes)
        channels = shape_to_channels_last(shapes[0], self.data_format)[-1]
        ones = (1,) * len(self.kernel_size)
        expected["pointwise_kernel"] = (
            *ones,
            None if channels is None else channels * self.depth_multiplier,
            self.filters,
        )
        if self.use_bias:
            # Keras creates the bias last.
            expected["bias"] = expected.pop("bias")
        return expected

    def filters_of(self, channels: int | None) -> int | None:
        """``filters``."""
        return self.filters

    def pointwise(self, weights: Mapping[str, Array], y: Array) -> Array:
        """The product of the channels with the pointwise kernel."""
        kernel = weights["pointwise_kernel"]
        product: Array = y @ kernel.reshape(kernel.shape[-2:])
        return product


LAYERS = {layer.op: layer for layer in (DepthwiseConv, SeparableConv)}
