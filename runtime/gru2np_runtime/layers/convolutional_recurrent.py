"""ConvLSTM: an LSTM over time whose products are convolutions over space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._activations import function_of
from gru2np_runtime._errors import InputError
from gru2np_runtime._layer import ACROSS, CARRIED
from gru2np_runtime._plan import Carry, CarryingPlan, Plan
from gru2np_runtime.layers._axes import (
    DATA_FORMATS,
    activated,
    check_choice,
    check_minimum,
    check_rank,
)
from gru2np_runtime.layers._windows import (
    as_given,
    channels_last,
    check_before,
    convolve,
    counts,
    given,
    last,
    padded,
)
from gru2np_runtime.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime._layer import ActivationSpec, Array, Shape


class ConvLSTM(Recurrent):
    """``c' = f * c + i * hh``, ``h' = o * activation(c')`` at every place.

    Filters i, f, c, o stand side by side, as the columns of an LSTM do.  The input's
    convolution has strides, dilation and padding; that of h keeps its size.  Shi et
    al. 2015 (arXiv:1506.04214); Keras 3.15 ``keras/src/layers/rnn/conv_lstm.py``.
    """

    op = "conv_lstm"
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
        """Sizes are positive and belong to the same axes."""
        super().check()
        for name in ("kernel_size", "strides", "dilation"):
            sizes = getattr(self, name)
            check_minimum(self.op, name, sizes, 1)
            if not sizes or len(sizes) != len(self.kernel_size):
                raise ValueError(
                    f"{self.op}: kernel_size, strides, dilation differ in length"
                )
        check_minimum(self.op, "filters", [self.filters], 1)
        check_choice(self.op, "padding", self.padding, ("valid", "same"))
        check_before(self.op, self.before, self.reach, self.padding)
        check_before(self.op, self.recurrent_before, self.kernel_size, "same")
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)
        if self.time_major:
            raise ValueError(f"{self.op}: time_major is for (time, batch, features)")

    @property
    def reach(self) -> tuple[int, ...]:
        """What the input's kernel spans along each axis, gaps included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation))

    def state_sizes(self) -> tuple[int, ...]:
        """Filters of h and c."""
        return (self.filters, self.filters)

    def state_shape(self, shape: Shape) -> Shape:
        """Shape of h and c, and of one step of the output, for inputs of this shape."""
        batch, *space, _ = last((shape[0], *shape[2:]), self.data_format)
        fitting = counts(tuple(space), self.reach, self.strides, self.padding)
        return given((batch, *fitting, self.filters), self.data_format)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (*kernel_size, channels, 4 * filters), recurrent_kernel, bias."""
        check_rank(self.op, shapes[0], len(self.kernel_size) + 3)
        channels = last(shapes[0][1:], self.data_format)[-1]
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
            if activated(function, state) != state:
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
        """Carried forward, where it runs forward."""
        return ACROSS if self.go_backwards else CARRIED

    def plan(self, weights: Mapping[str, Array]) -> Plan:
        """The plain recurrence."""
        return ConvLSTMPlan(self, weights)


class ConvLSTMPlan(CarryingPlan):
    """Runs a ConvLSTM step by step; states h and c have the shape of its output."""

    def __init__(self, layer: ConvLSTM, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: ConvLSTM = layer
        self.activate = function_of(layer.activation)
        self.gate = function_of(layer.recurrent_activation)

    def state_shapes(self) -> list[tuple[int, ...]]:
        """h and c, of size 0 in space as long as no input has told their size."""
        layer = self.layer
        nothing = (0,) * len(layer.kernel_size)
        _, *shape = given((0, *nothing, layer.filters), layer.data_format)
        return [tuple(size or 0 for size in shape)] * 2

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The states given; without any, what becomes zeros at the first input."""
        if states:
            return Carry(states)
        dtype = self.weights["kernel"].dtype
        return Carry(
            [np.zeros((batch_size, *shape), dtype) for shape in self.state_shapes()]
        )

    def resume(self, states: Sequence[Array]) -> Carry:
        """The output of the step before is h."""
        return Carry(states, states[0])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, *space, channels); mask: (batch, time), True where valid."""
        layer = self.layer
        batch, time = x.shape[:2]
        shape = tuple(size or 0 for size in layer.state_shape(x.shape))
        keep = _mask(mask, x.ndim) if mask is not None else None
        states = [_sized(state, shape) for state in carry.states]
        y = np.zeros(shape, x.dtype)
        if carry.previous is not None:
            y = _sized(carry.previous, shape)
        steps = time if layer.return_sequences else 0
        outputs = np.empty((batch, steps, *shape[1:]), x.dtype)
        order = range(time - 1, -1, -1) if layer.go_backwards else range(time)
        for position, t in enumerate(order):
            new = self._step(x[:, t], *states)
            if keep is None:
                states, y = new, new[0]
            else:
                valid = keep[:, t]
                states = [np.where(valid, n, s) for n, s in zip(new, states)]
                y = np.where(valid, new[0], self._held(states, y))
            if layer.return_sequences:
                outputs[:, position] = y
        if keep is not None and layer.masked_output == "zero_in_input_order":
            # Position by position: outputs as processed, the mask in its own order.
            outputs[~keep.reshape(keep.shape[:2])[:, :steps]] = 0.0
        returned = states if layer.return_state else []
        result = outputs if layer.return_sequences else y
        return (result, *returned), Carry(states, y)

    def _held(self, states: Sequence[Array], y: Array) -> Array:
        """What a masked step gives, from the states and the output before it."""
        if self.layer.masked_output == "state":
            return states[self.layer.masked_state]
        return np.zeros_like(y) if self.layer.masked_output == "zero" else y

    def _step(self, x: Array, h: Array, c: Array) -> list[Array]:
        """h and c after one time step of x, (batch, *space, channels)."""
        layer = self.layer
        x = channels_last(x, layer.data_format)
        x = padded(x, layer.reach, layer.strides, layer.padding, 0.0, layer.before)
        total = convolve(x, self.weights["kernel"], layer.strides, layer.dilation)
        if layer.use_bias:
            total += self.weights["bias"]
        ones = (1,) * len(layer.kernel_size)
        recurrent = channels_last(h, layer.data_format)
        recurrent = padded(
            recurrent, layer.kernel_size, ones, "same", 0.0, layer.recurrent_before
        )
        total += convolve(recurrent, self.weights["recurrent_kernel"], ones, ones)
        i, f, hh, o = (
            as_given(part, layer.data_format) for part in np.split(total, 4, axis=-1)
        )
        c = self.gate(f) * c + self.gate(i) * self.activate(hh)
        return [self.gate(o) * self.activate(c), c]


def _mask(mask: Array, rank: int) -> Array:
    """A mask (batch, time) that stands beside the states of every step.

    Raises:
        InputError: it has other axes.
    """
    if mask.ndim != 2:
        raise InputError(
            f"conv_lstm: expected a mask (batch, time), got shape {mask.shape}"
        )
    return mask.astype(bool, copy=False).reshape(*mask.shape, *(1,) * (rank - 2))


def _sized(state: Array, shape: tuple[int, ...]) -> Array:
    """The state; zeros in place of one without a size.

    Raises:
        InputError: it has another size than the input leads to.
    """
    if state.shape == shape:
        return state
    if state.size == 0:
        return np.zeros(shape, state.dtype)
    raise InputError(f"conv_lstm: expected states of shape {shape}, got {state.shape}")


LAYERS = {ConvLSTM.op: ConvLSTM}
