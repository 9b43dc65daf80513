"""An LSTM in NumPy: gates i, f, o and the candidate, side by side.

The equations stand once, in the two tails: what is left of a time step when the sums
are made.  The loop over a sequence and the single step differ in how they make those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import (
    Gate,
    Packed,
    Stepped,
    Workspace,
    into,
    with_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import Advance, Buffers, Slot
    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import LSTMCell

    # Takes the place of h after the step.
    Tail = Callable[[Array], object]


class PackedLSTM(Packed):
    """Columns i, f, o, candidate: the gates side by side; their scale is inside."""

    def __init__(self, layer: LSTMCell, weights: Mapping[str, Array]) -> None:
        units = layer.units
        self.layer = layer
        self.gate = Gate(layer.recurrent_activation)
        # exp is cheaper than tanh.
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
        """Buffers with the loop."""
        return LSTMWorkspace(self, time, batch)

    def for_steps(self) -> Stepped:
        """One form serves all."""
        return LSTMStep(self)

    def tail(self, buffers: Buffers, sums: Array) -> Tail:
        """A step from its sums on.

        Args:
            buffers: make more of them.
            sums: i, f, o and candidate; behind them c, which moves on in place.
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

            def exponential(following: Array) -> None:
                """``c' = c / (1 + e_f) + hh / (1 + e_i)``; ``e = exp(-sum)``."""
                exp(gates, gates)
                add(gates, one, gates)
                activate(candidate, candidate)
                divide(candidate_c, i_f, parts)
                add(new, kept, c)
                activate(c, new)
                divide(new, o, following)

            return exponential
        gate = self.gate.into(gates.shape, gates.dtype)

        def tail(following: Array) -> None:
            """``c' = f * c + i * hh``, ``h' = o * activation(c')``."""
            gate(gates, gates)
            activate(candidate, candidate)
            multiply(candidate_c, i_f, parts)
            add(new, kept, c)
            activate(c, new)
            multiply(new, o, following)

        return tail


def _reordered(matrix: Array, units: int) -> Array:
    i_f, hh, o = np.split(matrix, [2 * units, 3 * units], axis=1)
    return np.concatenate([i_f, o, hh], axis=1)


class LSTMWorkspace(Workspace):
    """Buffers of every form of LSTM."""

    def __init__(self, packed: PackedLSTM, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        units = packed.units
        sums = self.empty(5 * units)
        self.total = sums[: 4 * units]
        self.states.append(sums[4 * units :])
        self.tail = packed.tail(self, sums)
        self.rows = [
            (*product, x, following)
            for product, x, following in zip(self.products, self.projected, self.h[1:])
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The sums, and the tail."""
        add, total, tail = np.add, self.total, self.tail
        for dot, operand, x, following in rows:
            dot(operand, total)
            add(total, x, total)
            tail(following)


class LSTMStep(Stepped):
    """One step: one product."""

    def __init__(self, packed: PackedLSTM) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        self.matrix = np.concatenate([packed.kernel, packed.recurrent])

    def bind(self, slot: Slot) -> tuple[Advance, list[Array]]:
        """Eight calls with sigmoid gates."""
        units, h = self.units, slot.value
        sums = slot.empty(5 * units)
        total, c = sums[: 4 * units], sums[4 * units :]
        tail = self.packed.tail(slot, sums)
        product, operand = slot.product(slot.both, self.matrix)

        def step() -> None:
            product(operand, total)
            tail(h)

        return step, [h, c]
