"""The plain recurrence: a stack of cells run over time, with masks and states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layers.recurrent import Recurrent
from gru2np_runtime.plan import Carry, CarryingPlan, child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts, Plan


class Recurrence(CarryingPlan):
    """Runs any recurrent layer, every option; the reference for faster plans."""

    def __init__(self, layer: Recurrent, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: Recurrent = layer
        self.cells = [
            (cell, child(weights, prefix[:-1]) if prefix else weights)
            for prefix, cell in layer.cells()
        ]
        self.batch_axis = 1 if layer.time_major else 0
        self.dtype = self.cells[0][1]["kernel"].dtype
        # States are kept cell by cell; the outside may see the last cell first.
        counts = [len(cell.state_sizes()) for cell, _ in self.cells]
        order = [
            [sum(counts[:i]) + k for k in range(count)]
            for i, count in enumerate(counts)
        ]
        self.groups = order
        if getattr(layer, "reverse_state_order", False):
            order = order[::-1]
        self.outside = [index for group in order for index in group]
        self.output_state = self.groups[-1][0]

    def state_shapes(self) -> list[tuple[int, ...]]:
        """One (units,) for each state, in the outside order."""
        return [(size,) for size in self.layer.state_sizes()]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """Zeros, or the states given."""
        if not states:
            states = [
                np.zeros((batch_size, *shape), self.dtype)
                for shape in self.state_shapes()
            ]
        return Carry(states)

    def resume(self, states: Sequence[Array]) -> Carry:
        """The output of the step before is the last cell's first state."""
        return Carry(states, states[self.outside.index(self.output_state)])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, features); mask: (batch, time), True where valid."""
        layer = self.layer
        # A mask that is an input of the model may be of any type.
        mask = None if mask is None else mask.astype(bool, copy=False)
        if not layer.time_major:
            x = x.swapaxes(0, 1)
            mask = None if mask is None else mask.T
        time, batch, features = x.shape
        first, first_weights = self.cells[0]
        projected = first.project(first_weights, x.reshape(time * batch, features))
        projected = projected.reshape(time, batch, projected.shape[1])
        inside = dict(zip(self.outside, carry.states))
        states = [inside[i] for i in range(len(inside))]
        units = self.cells[-1][0].units
        y = carry.previous
        if y is None:
            y = np.zeros((batch, units), self.dtype)
        outputs = np.empty(
            (time if layer.return_sequences else 0, batch, units), self.dtype
        )
        order = range(time - 1, -1, -1) if layer.go_backwards else range(time)
        for position, t in enumerate(order):
            new = self._step(projected[t], states)
            if mask is None:
                states = new
                y = states[self.output_state]
            else:
                keep = mask[t][:, None]
                states = [np.where(keep, n, s) for n, s in zip(new, states)]
                y = np.where(keep, new[self.output_state], self._held(states, y))
            if layer.return_sequences:
                outputs[position] = y
        if mask is not None and layer.masked_output == "zero_in_input_order":
            # Position by position: outputs in the order of processing, mask in its own.
            outputs[~mask[: len(outputs)]] = 0.0
        after = [states[i] for i in self.outside]
        result = outputs if layer.return_sequences else y
        if layer.return_sequences and not layer.time_major:
            result = outputs.swapaxes(0, 1)
        returned = after if layer.return_state else []
        return (result, *returned), Carry(after, y)

    def _held(self, states: Sequence[Array], y: Array) -> Array:
        """What a masked step gives, from the states and the output before it."""
        if self.layer.masked_output == "state":
            return states[self.outside[self.layer.masked_state]]
        return np.zeros_like(y) if self.layer.masked_output == "zero" else y

    def _step(self, projected: Array, states: Sequence[Array]) -> list[Array]:
        """All cells of the stack, one time step."""
        after: list[Array] = []
        y = projected
        for i, (cell, weights) in enumerate(self.cells):
            if i > 0:
                projected = cell.project(weights, y)
            own = [states[k] for k in self.groups[i]]
            new = cell.advance(weights, projected, own)
            after.extend(new)
            y = new[0]
        return after


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of any recurrent layer."""
    assert isinstance(layer, Recurrent)
    return Recurrence(layer, weights)
