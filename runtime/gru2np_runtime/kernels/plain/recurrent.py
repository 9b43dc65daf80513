"""The plain recurrence: stacked cells over time, with masks and states."""

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
    """Runs every recurrent layer with every option; the reference for faster plans."""

    def __init__(self, layer: Recurrent, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: Recurrent = layer
        self.cells = [
            (cell, child(weights, prefix[:-1]) if prefix else weights)
            for prefix, cell in layer.cells()
        ]
        self.batch_axis = 1 if layer.time_major else 0
        self.dtype = np.dtype(layer.dtype)
        # Here states are in the order of the cells; a carry may start at the last cell.
        counts = [len(cell.state_sizes()) for cell, _ in self.cells]
        by_cell = [
            [sum(counts[:i]) + k for k in range(count)]
            for i, count in enumerate(counts)
        ]
        self.state_indices = by_cell
        if getattr(layer, "reverse_state_order", False):
            by_cell = by_cell[::-1]
        self.carry_order = [index for indices in by_cell for index in indices]
        self.output_state = self.state_indices[-1][0]

    def state_shapes(self) -> list[tuple[int, ...]]:
        """(units,) for each state, in the order of the carry."""
        return [(size,) for size in self.layer.state_sizes()]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The initial states; zeros by default."""
        if not states:
            states = [
                np.zeros((batch_size, *shape), self.dtype)
                for shape in self.state_shapes()
            ]
        return Carry(states)

    def resume(self, states: Sequence[Array]) -> Carry:
        """The previous output is the first state of the last cell."""
        return Carry(states, states[self.carry_order.index(self.output_state)])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, features); mask: (batch, time), True where valid."""
        layer = self.layer
        # A mask that is an input of the model may have any dtype.
        mask = None if mask is None else mask.astype(bool, copy=False)
        if not layer.time_major:
            x = x.swapaxes(0, 1)
            mask = None if mask is None else mask.T
        time, batch, features = x.shape
        first, first_weights = self.cells[0]
        projected = first.project(first_weights, x.reshape(time * batch, features))
        projected = projected.reshape(time, batch, projected.shape[1])
        by_index = dict(zip(self.carry_order, carry.states))
        states = [by_index[i] for i in range(len(by_index))]
        units = self.cells[-1][0].output_size()
        y = carry.previous
        if y is None:
            y = np.zeros((batch, units), self.dtype)
        outputs = np.empty(
            (time if layer.return_sequences else 0, batch, units), self.dtype
        )
        order = range(time - 1, -1, -1) if layer.go_backwards else range(time)
        for position, t in enumerate(order):
            output, new = self._step(projected[t], states)
            if mask is None:
                states = new
                y = output
            else:
                valid = mask[t][:, None]
                states = [np.where(valid, n, s) for n, s in zip(new, states)]
                masked = self._masked_output(states, y)
                y = np.where(valid, output, masked)
            if layer.return_sequences:
                outputs[position] = y
        if mask is not None and layer.masked_output == "zero_in_input_order":
            # Keras pairs outputs in processing order with the mask in input order.
            outputs[~mask[: len(outputs)]] = 0.0
        after = [states[i] for i in self.carry_order]
        result = outputs if layer.return_sequences else y
        if layer.return_sequences and not layer.time_major:
            result = outputs.swapaxes(0, 1)
        returned = after if layer.return_state else []
        return (result, *returned), Carry(after, y)

    def _masked_output(self, states: Sequence[Array], y: Array) -> Array:
        """The output of a masked step, from the states and the previous output."""
        if self.layer.masked_output == "state":
            return states[self.carry_order[self.layer.masked_state]]
        return np.zeros_like(y) if self.layer.masked_output == "zero" else y

    def _step(
        self, projected: Array, states: Sequence[Array]
    ) -> tuple[Array, list[Array]]:
        """All cells for one time step.

        Returns:
            The output, and the states in the order of the cells.
        """
        after: list[Array] = []
        y = projected
        for i, (cell, weights) in enumerate(self.cells):
            if i > 0:
                projected = cell.project(weights, y)
            cell_states = [states[k] for k in self.state_indices[i]]
            y, *new = cell.advance(weights, projected, cell_states)
            after.extend(new)
        return y, after


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plain plan of a recurrent layer."""
    assert isinstance(layer, Recurrent)
    return Recurrence(layer, weights)
