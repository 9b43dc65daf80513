"""ConvLSTM: an LSTM over time with convolutions over space instead of products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import function_of
from gru2np_runtime.layer import ACROSS, CARRIED, FEW, sized, stored
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    activated_shape,
    check_choice,
    check_minimum,
    check_per_axis,
    check_rank,
    element_count,
)
from gru2np_runtime.layers.recurrent import Recurrent
from gru2np_runtime.layers.windows import (
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


class ConvLSTM(Recurrent):
    """``c' = f * c + i * hh``, ``h' = o * activation(c')`` at every position.

    The filters of i, f, c, o are concatenated along the last axis, as the columns of an
    LSTM.  Strides, dilation and padding are those of the input's convolution; the
    convolution of h keeps its size.  Shi et al. 2015 (arXiv:1506.04214); Keras 3.15
    ``keras/src/layers/rnn/conv_lstm.py``.
    """

    op = "conv_lstm"
    independent_rows = True
    storage_axes = stored(kernel=-1, recurrent_kernel=-1, bias=FEW)
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    before: tuple[int, ...] = ()
    recurrent_before: tuple[int, ...] = ()
    data_format: str = "channels_last"
    activation: ActivationSpec = "tanh"
    recurrent_activation: ActivationSpec = "sigmoid"
    use_bias: bool = True

    def check(self) -> None:
        """Tuples have one positive size per axis; the batch comes first."""
        super().check()
        check_per_axis(self, "kernel_size", "strides", "dilation")
        check_minimum(self.op, "filters", [self.filters], 1)
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_before(self.op, self.before, self.reach, self.padding)
        check_before(self.op, self.recurrent_before, self.kernel_size, "same")
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.time_major:
            raise ValueError(f"{self.op}: time_major is not supported, expected false")

    @property
    def reach(self) -> tuple[int, ...]:
        """The receptive field of the input's kernel along each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation))

    def state_sizes(self) -> tuple[int, ...]:
        """Channels of h and c."""
        return (self.filters, self.filters)

    def state_shape(self, shape: Shape) -> Shape:
        """Shape of h, c and one step of the output, for inputs of this shape."""
        batch, *space, _ = shape_to_channels_last(
            (shape[0], *shape[2:]), self.data_format
        )
        out_space = window_counts(space, self.reach, self.strides, self.padding)
        return shape_from_channels_last(
            (batch, *out_space, self.filters), self.data_format
        )

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (*kernel_size, channels, 4 * filters), recurrent_kernel, bias.

        recurrent_kernel: (*kernel_size, filters, 4 * filters).
        """
        check_rank(self.op, shapes[0], len(self.kernel_size) + 3)
        channels = shape_to_channels_last(shapes[0][1:], self.data_format)[-1]
        width = 4 * self.filters
        expected: dict[str, Shape] = {
            "kernel": (*self.kernel_size, channels, width),
            "recurrent_kernel": (*self.kernel_size, self.filters, width),
        }
        if self.use_bias:
            expected["bias"] = (width,)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sequence or its last step; then, with ``return_state``, h and c."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 3)
        state = self.state_shape(shapes[0])
        for function in (self.activation, self.recurrent_activation):
            if activated_shape(function, state) != state:
                raise ValueError(f"{self.op}: {function} changes the shape of a gate")
        if len(shapes) not in (1, 3) or not all(
            len(shape) == len(state)
            and all(n in (None, m) or m is None for n, m in zip(shape[1:], state[1:]))
            for shape in shapes[1:]
        ):
            raise ValueError(
                f"{self.op}: expected initial states h and c of shape {state}, "
                f"got {list(shapes[1:])}"
            )
        y = (state[0], shapes[0][1], *state[1:]) if self.return_sequences else state
        return (y, state, state) if self.return_state else (y,)

    def over_time(self, *shapes: Shape) -> str:
        """CARRIED unless it runs backwards."""
        return ACROSS if self.go_backwards else CARRIED

    def unsized_state(self) -> tuple[int, ...]:
        """Shape of h and c without the batch, before an input gives the sizes: 0."""
        space = (0,) * len(self.kernel_size)
        _, *shape = shape_from_channels_last(
            (0, *space, self.filters), self.data_format
        )
        return tuple(size or 0 for size in shape)

    def step(
        self, weights: Mapping[str, Array], x: Array, h: Array, c: Array
    ) -> list[Array]:
        """h and c after one time step; x: (batch, *space, channels)."""
        activation = function_of(self.activation)
        gate = function_of(self.recurrent_activation)
        x = to_channels_last(x, self.data_format)
        x = padded(x, self.reach, self.strides, self.padding, 0.0, self.before)
        total = convolve(x, weights["kernel"], self.strides, self.dilation)
        if self.use_bias:
            total += weights["bias"]
        ones = (1,) * len(self.kernel_size)
        recurrent = to_channels_last(h, self.data_format)
        recurrent = padded(
            recurrent, self.kernel_size, ones, "same", 0.0, self.recurrent_before
        )
        total += convolve(recurrent, weights["recurrent_kernel"], ones, ones)
        i, f, hh, o = (
            from_channels_last(part, self.data_format)
            for part in np.split(total, 4, axis=-1)
        )
        c = gate(f) * c + gate(i) * activation(hh)
        return [gate(o) * activation(c), c]

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Time steps times positions times the sizes of both kernels."""
        kernels = self.weight_shapes(inputs[0])
        taps = element_count(kernels["kernel"]) + element_count(
            kernels["recurrent_kernel"]
        )
        state = sized(self.state_shape(inputs[0]))
        return inputs[0][1] * position_count(state, self.data_format) * taps

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Shapes of h and c."""
        return (self.state_shape(shape),) * 2


LAYERS = {ConvLSTM.op: ConvLSTM}
