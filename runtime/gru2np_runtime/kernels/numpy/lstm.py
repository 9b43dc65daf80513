"""The loops of an LSTM: gates i, f, o and the candidate, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import Gate, Packed, Workspace, into, with_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import LSTMCell


class PackedLSTM(Packed):
    """Columns i, f, o, candidate: the gates side by side; their scale is inside."""

    def __init__(self, layer: LSTMCell, weights: Mapping[str, Array]) -> None:
        units = layer.units
        self.layer = layer
        self.gate = Gate(layer.recurrent_activation)
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
        """Buffers with the loop that fits."""
        kind = Exponential if self.exponential else LSTMWorkspace
        return kind(self, time, batch)


def _reordered(matrix: Array, units: int) -> Array:
    i_f, hh, o = np.split(matrix, [2 * units, 3 * units], axis=1)
    return np.concatenate([i_f, o, hh], axis=1)


class LSTMWorkspace(Workspace):
    """Any gates and activation; buffer: i, f, o, candidate, c."""

    packed: PackedLSTM

    def __init__(self, packed: PackedLSTM, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        units = packed.units
        buffer = self.empty(5 * units)
        self.total = buffer[: 4 * units]
        self.i_f, self.gates = buffer[: 2 * units], buffer[: 3 * units]
        self.o = buffer[2 * units : 3 * units]
        self.candidate = buffer[3 * units : 4 * units]
        self.candidate_c = buffer[3 * units :]
        self.c = buffer[4 * units :]
        self.states.append(self.c)
        self.parts = self.empty(2 * units)
        self.kept, self.new = self.parts[units:], self.parts[:units]
        self.gate = packed.gate.into(self.gates.shape, packed.dtype)
        self.activate = into(packed.layer.activation)
        self.rows = [
            (*product, x, following)
            for product, x, following in zip(self.products, self.projected, self.h[1:])
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """``c' = f * c + i * hh``, ``h' = o * activation(c')``."""
        add, multiply = np.add, np.multiply
        gate, activate = self.gate, self.activate
        total, gates, i_f, o = self.total, self.gates, self.i_f, self.o
        candidate, candidate_c, c = self.candidate, self.candidate_c, self.c
        parts, new, kept = self.parts, self.new, self.kept
        for dot, operand, x, following in rows:
            dot(operand, total)
            add(total, x, total)
            gate(gates, gates)
            activate(candidate, candidate)
            multiply(i_f, candidate_c, parts)
            add(new, kept, c)
            activate(c, new)
            multiply(o, new, following)


class Exponential(LSTMWorkspace):
    """Sigmoid gates: nine calls a step, and exp is cheaper than tanh."""

    def __init__(self, packed: PackedLSTM, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        self.one = self.full(3 * packed.units, 1.0)

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """``c' = c / (1 + e_f) + hh / (1 + e_i)``, ``e`` = exp of the negative sum."""
        add, divide, exp, activate = np.add, np.divide, np.exp, self.activate
        total, gates, i_f, o = self.total, self.gates, self.i_f, self.o
        candidate, candidate_c, c = self.candidate, self.candidate_c, self.c
        parts, new, kept, one = self.parts, self.new, self.kept, self.one
        for dot, operand, x, following in rows:
            dot(operand, total)
            add(total, x, total)
            exp(gates, gates)
            add(gates, one, gates)
            activate(candidate, candidate)
            divide(candidate_c, i_f, parts)
            add(new, kept, c)
            activate(c, new)
            divide(new, o, following)
