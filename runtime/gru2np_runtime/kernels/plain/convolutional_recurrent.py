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
    """Runs a ConvLSTM; states h and c have the shape of the output of one step."""

    def __init__(self, layer: ConvLSTM, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: ConvLSTM = layer

    def state_shapes(self) -> list[tuple[int, ...]]:
        """h and c; spatial sizes are 0, because the input decides them."""
        return [self.layer.unsized_state()] * 2

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The initial states; by default of size 0: ``advance`` makes them zeros."""
        if states:
            return Carry(states)
        dtype = self.weights["kernel"].dtype
        return Carry(
            [np.zeros((batch_size, *shape), dtype) for shape in self.state_shapes()]
        )

    def resume(self, states: Sequence[Array]) -> Carry:
        """The previous output is h."""
        return Carry(states, states[0])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, *space, channels); mask: (batch, time), True where valid."""
        layer = self.layer
        batch, time = x.shape[:2]
        shape = tuple(size or 0 for size in layer.state_shape(x.shape))
        all_valid = _broadcast_mask(mask, x.ndim) if mask is not None else None
        states = [_sized(state, shape) for state in carry.states]
        y = np.zeros(shape, x.dtype)
        if carry.previous is not None:
            y = _sized(carry.previous, shape)
        steps = time if layer.return_sequences else 0
        outputs = np.empty((batch, steps, *shape[1:]), x.dtype)
        order = range(time - 1, -1, -1) if layer.go_backwards else range(time)
        for position, t in enumerate(order):
            new = layer.step(self.weights, x[:, t], *states)
            if all_valid is None:
                states, y = new, new[0]
            else:
                valid = all_valid[:, t]
                states = [np.where(valid, n, s) for n, s in zip(new, states)]
                y = np.where(valid, new[0], self._masked_output(states, y))
            if layer.return_sequences:
                outputs[:, position] = y
        if mask is not None and layer.masked_output == "zero_in_input_order":
            # Keras pairs outputs in processing order with the mask in input order.
            outputs[~mask.astype(bool, copy=False)[:, :steps]] = 0.0
        returned = states if layer.return_state else []
        result = outputs if layer.return_sequences else y
        return (result, *returned), Carry(states, y)

    def _masked_output(self, states: Sequence[Array], y: Array) -> Array:
        """The output of a masked step, from the states and the previous output."""
        if self.layer.masked_output == "state":
            return states[self.layer.masked_state]
        return np.zeros_like(y) if self.layer.masked_output == "zero" else y


def _broadcast_mask(mask: Array, rank: int) -> Array:
    """A mask (batch, time) with axes of size 1 added, to broadcast to inputs.

    Raises:
        InputError: it has other axes.
    """
    if mask.ndim != 2:
        raise InputError(
            f"conv_lstm: expected a mask (batch, time), got shape {mask.shape}"
        )
    return mask.astype(bool, copy=False).reshape(*mask.shape, *(1,) * (rank - 2))


def _sized(state: Array, shape: tuple[int, ...]) -> Array:
    """The state; zeros instead of a state of size 0.

    Raises:
        InputError: its size is not the one that follows from the input.
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
