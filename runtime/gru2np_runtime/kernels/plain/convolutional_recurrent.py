"""ConvLSTM over time, with masks and states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layers.convolutional_recurrent import ConvLSTM
from gru2np_runtime.plan import Carry, CarryingPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts, Plan


class ConvLSTMPlan(CarryingPlan):
    """Runs a ConvLSTM step by step; states h and c have the shape of its output."""

    def __init__(self, layer: ConvLSTM, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: ConvLSTM = layer

    def state_shapes(self) -> list[tuple[int, ...]]:
        """h and c, of size 0 in space as long as no input has told their size."""
        return [self.layer.unsized_state()] * 2

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
            new = layer.step(self.weights, x[:, t], *states)
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


def conv_lstm(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a ConvLSTM."""
    assert isinstance(layer, ConvLSTM)
    return ConvLSTMPlan(layer, weights)
