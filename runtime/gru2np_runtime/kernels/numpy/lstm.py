"""An LSTM in NumPy: columns i, f, o, candidate.

The equations are in two tails.  A tail is the elementwise part of a time step, after
the matrix products.  The loop over a sequence and the single step compute the products
differently and share the tails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import (
    Gate,
    Packed,
    PackedStep,
    Workspace,
    into,
    with_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import Buffers, RunStep, Slot
    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import LSTMCell

    # Called with the array for the next h.
    Tail = Callable[[Array], object]


class PackedLSTM(Packed):
    """Columns in the order i, f, o, candidate; the gates' scale folded in."""

    def __init__(self, layer: LSTMCell, weights: Mapping[str, Array]) -> None:
        units = layer.units
        self.layer = layer
        self.gate = Gate(layer.recurrent_activation)
        # exp is faster than tanh.
        self.exponential = self.gate.name == "sigmoid"
        scale = -1.0 if self.exponential else self.gate.scale
        kernel = with_row(weights["kernel"], weights.get("bias"))
        kernel = _reordered(kernel, units)
        recurrent = _reordered(weights["recurrent_kernel"], units)
        for matrix in (kernel, recurrent):
            matrix[:, : 3 * units] *= scale
        kernel[-1, : 3 * units] += self.gate.offset
        super().__init__(kernel, recurrent, units)

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers, and the loop over time."""
        return LSTMWorkspace(self, time, batch)

    def for_steps(self) -> PackedStep:
        """One form for all options."""
        return LSTMStep(self)

    def tail(self, buffers: Buffers, sums: Array) -> Tail:
        """The elementwise part of a time step.

        Args:
            buffers: allocates more buffers.
            sums: i, f, o, candidate, and after them c, which is updated in place.
        """
        add, multiply, divide, exp = np.add, np.multiply, np.divide, np.exp
        activate, units = into(self.layer.activation), self.units
        gates, i_f = sums[: 3 * units], sums[: 2 * units]
        o, candidate = sums[2 * units : 3 * units], sums[3 * units : 4 * units]
        candidate_c, c = sums[3 * units :], sums[4 * units :]
        parts = buffers.empty(2 * units)
        new, kept = parts[:units], parts[units:]
        if self.exponential:
            one = buffers.full(3 * units, 1.0)

            def exponential(next_h: Array) -> None:
                """``c' = c / (1 + e_f) + hh / (1 + e_i)``; ``e = exp(-sum)``."""
                exp(gates, gates)
                add(gates, one, gates)
                activate(candidate, candidate)
                divide(candidate_c, i_f, parts)
                add(new, kept, c)
                activate(c, new)
                divide(new, o, next_h)

            return exponential
        gate = self.gate.into(gates.shape, gates.dtype)

        def tail(next_h: Array) -> None:
            """``c' = f * c + i * hh``, ``h' = o * activation(c')``."""
            gate(gates, gates)
            activate(candidate, candidate)
            multiply(candidate_c, i_f, parts)
            add(new, kept, c)
            activate(c, new)
            multiply(new, o, next_h)

        return tail


def _reordered(matrix: Array, units: int) -> Array:
    """Columns i, f, candidate, o as i, f, o, candidate."""
    i_f, hh, o = np.split(matrix, [2 * units, 3 * units], axis=1)
    return np.concatenate([i_f, o, hh], axis=1)


class LSTMWorkspace(Workspace):
    """Buffers and loop of both forms of LSTM."""

    def __init__(self, packed: PackedLSTM, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        units = packed.units
        sums = self.empty(5 * units)
        self.total = sums[: 4 * units]
        self.states.append(sums[4 * units :])
        self.tail = packed.tail(self, sums)
        self.rows = [
            (*product, x, next_h)
            for product, x, next_h in zip(self.products, self.projected, self.h[1:])
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """For each time step: the sums, then the tail."""
        add, total, tail = np.add, self.total, self.tail
        for dot, operand, x, next_h in rows:
            dot(operand, total)
            add(total, x, total)
            tail(next_h)


class LSTMStep(PackedStep):
    """One step of an LSTM: one product."""

    def __init__(self, packed: PackedLSTM) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        self.matrix = np.concatenate([packed.kernel, packed.recurrent])

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """Eight NumPy calls with sigmoid gates; the states are h and c."""
        units, h = self.units, slot.output
        sums = slot.empty(5 * units)
        total, c = sums[: 4 * units], sums[4 * units :]
        tail = self.packed.tail(slot, sums)
        product, operand = slot.product(slot.biased_input_and_output, self.matrix)

        def step() -> None:
            product(operand, total)
            tail(h)

        return step, [h, c]
