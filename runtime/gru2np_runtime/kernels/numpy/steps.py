"""Layers of a stack one time step further: their matrices and their few calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.activations import function_of
from gru2np_runtime.kernels.numpy.packed import into, with_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.kernels.numpy.gru import PackedGRU
    from gru2np_runtime.kernels.numpy.lstm import PackedLSTM
    from gru2np_runtime.kernels.numpy.recurrence import FastRecurrence
    from gru2np_runtime.kernels.numpy.simple_rnn import PackedSimpleRNN
    from gru2np_runtime.kernels.numpy.stepping import Slot
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Plan

    Advance = Callable[[], object]

# Below, one product with a block of zeros costs less than two products.
AUGMENTED_UNITS = 128


class Recurrent:
    """A recurrent layer of the stack, its matrices packed for stepping; immutable."""

    def __init__(self, plan: FastRecurrence) -> None:
        self.packed: Any = plan.packed
        self.units = plan.units
        self.features = plan.packed.features

    def states(self, slot: Slot) -> list[Array]:
        """Buffers of the states; the first is the output."""
        return [slot.value]

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """A function that takes the states one step further."""
        raise NotImplementedError


class ResetAfter(Recurrent):
    """A GRU with its product before the reset."""

    packed: PackedGRU

    def __init__(self, plan: FastRecurrence) -> None:
        super().__init__(plan)
        kernel, recurrent = self.packed.kernel, self.packed.recurrent
        units, rows = self.units, kernel.shape[0]
        bias = recurrent[units:]
        # [1, h] to z, r, m; [x, 1] is the kernel's.
        self.biased = np.zeros((1 + units, 3 * units), kernel.dtype)
        self.biased[1:] = recurrent[:units]
        self.biased[:1] += bias.sum(axis=0)
        self.augmented: Array | None = None
        if units < AUGMENTED_UNITS:
            # [x, 1, h] to z, r, m, and the candidate's part of x apart.
            both = np.zeros((rows + units, 4 * units), kernel.dtype)
            both[:rows, : 2 * units] = kernel[:, : 2 * units]
            both[:rows, 3 * units :] = kernel[:, 2 * units :]
            both[rows - 1 :, : 3 * units] += self.biased
            self.augmented = both

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """Nine to eleven calls with sigmoid gates."""
        units = self.units
        add, multiply, divide = np.add, np.multiply, np.divide
        exp, subtract = np.exp, np.subtract
        h = slot.value
        total, difference = slot.empty(4 * units), slot.empty(units)
        zr, m, x_h = np.split(total, [2 * units, 3 * units])
        z, r = zr[:units], zr[units:]
        activate = into(self.packed.layer.activation)
        if self.augmented is not None and not slot.tail:
            product, operand = slot.product(slot.both, self.augmented)

            def sums() -> None:
                product(operand, total)
        else:
            # x's part has z and r before the candidate, where m is in the other.
            projected = slot.empty(3 * units)
            first, first_operand = slot.product(slot.given, self.packed.kernel)
            second, second_operand = slot.product(slot.biased, self.biased)
            zrm, x_zr, x_h = total[: 3 * units], *np.split(projected, [2 * units])

            def sums() -> None:
                first(first_operand, projected)
                second(second_operand, zrm)
                add(zr, x_zr, zr)

        if self.packed.exponential:
            one = slot.ones(2 * units)

            def step() -> None:
                sums()
                exp(zr, zr)
                add(zr, one, zr)
                divide(m, r, m)
                add(m, x_h, m)
                activate(m, m)
                subtract(h, m, difference)
                divide(difference, z, difference)
                add(difference, m, h)

            return step
        gate = self.packed.gate.into(zr.shape, zr.dtype)

        def step_of_any_gate() -> None:
            sums()
            gate(zr, zr)
            multiply(r, m, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, h)

        return step_of_any_gate


class ResetBefore(Recurrent):
    """A GRU with its product after the reset."""

    packed: PackedGRU

    def __init__(self, plan: FastRecurrence) -> None:
        super().__init__(plan)
        kernel, units = self.packed.kernel, self.units
        self.gates = np.concatenate([kernel[:, : 2 * units], self.packed.gates_kernel])
        self.candidate = np.ascontiguousarray(kernel[:, 2 * units :])

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """Three products."""
        units = self.units
        add, multiply, subtract = np.add, np.multiply, np.subtract
        h = slot.value
        zr, m, x_h = slot.empty(2 * units), slot.empty(units), slot.empty(units)
        reset, difference = slot.empty(units), slot.empty(units)
        z, r = zr[:units], zr[units:]
        activate = into(self.packed.layer.activation)
        gate = self.packed.gate.into(zr.shape, zr.dtype)
        first, first_operand = slot.product(slot.both, self.gates)
        second, second_operand = slot.product(slot.given, self.candidate)
        third, third_operand = slot.product(reset, self.packed.candidate_kernel)

        def step() -> None:
            first(first_operand, zr)
            gate(zr, zr)
            multiply(r, h, reset)
            second(second_operand, x_h)
            third(third_operand, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, h)

        return step


class LSTM(Recurrent):
    """One product; c beside the vector."""

    packed: PackedLSTM

    def __init__(self, plan: FastRecurrence) -> None:
        super().__init__(plan)
        self.matrix = np.concatenate([self.packed.kernel, self.packed.recurrent])

    def states(self, slot: Slot) -> list[Array]:
        """H, and c behind a place for the sums."""
        return [slot.value, slot.empty(5 * self.units)[4 * self.units :]]

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """Eight calls with sigmoid gates."""
        units = self.units
        add, multiply, divide, exp = np.add, np.multiply, np.divide, np.exp
        h, c = slot.value, states[1]
        buffer = c.base
        assert buffer is not None
        total, gates = buffer[: 4 * units], buffer[: 3 * units]
        i_f, o = buffer[: 2 * units], buffer[2 * units : 3 * units]
        candidate, candidate_c = buffer[3 * units : 4 * units], buffer[3 * units :]
        parts = slot.empty(2 * units)
        new, kept = parts[:units], parts[units:]
        activate = into(self.packed.layer.activation)
        product, operand = slot.product(slot.both, self.matrix)
        if self.packed.exponential:
            one = slot.ones(3 * units)

            def step() -> None:
                product(operand, total)
                exp(gates, gates)
                add(gates, one, gates)
                activate(candidate, candidate)
                divide(candidate_c, i_f, parts)
                add(new, kept, c)
                activate(c, new)
                divide(new, o, h)

            return step
        gate = self.packed.gate.into(gates.shape, gates.dtype)

        def step_of_any_gate() -> None:
            product(operand, total)
            gate(gates, gates)
            activate(candidate, candidate)
            multiply(candidate_c, i_f, parts)
            add(new, kept, c)
            activate(c, new)
            multiply(new, o, h)

        return step_of_any_gate


class SimpleRNN(Recurrent):
    """One product, one function."""

    packed: PackedSimpleRNN

    def __init__(self, plan: FastRecurrence) -> None:
        super().__init__(plan)
        self.matrix = np.concatenate([self.packed.kernel, self.packed.recurrent])

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """The product reads h, so that it goes elsewhere first."""
        h, total = slot.value, slot.empty(self.units)
        activate = into(self.packed.layer.activation)
        product, operand = slot.product(slot.both, self.matrix)

        def step() -> None:
            product(operand, total)
            activate(total, h)

        return step


class Dense:
    """A Dense layer inside the stack or at its end; immutable."""

    def __init__(self, plan: Plan) -> None:
        weights = plan.weights
        self.matrix = with_row(weights["kernel"], weights.get("bias"))
        self.features, self.units = weights["kernel"].shape
        self.activation = plan.layer.activation  # type: ignore[attr-defined]

    def states(self, slot: Slot) -> list[Array]:
        """None."""
        return []

    def advance(self, slot: Slot, states: Sequence[Array]) -> Advance:
        """One product, one function."""
        value = slot.value
        activate = into(self.activation)
        product, operand = slot.product(slot.given, self.matrix)

        def step() -> None:
            product(operand, value)
            activate(value, value)

        return step

    def result(self, slot: Slot) -> Callable[[], Array]:
        """A function that gives the output as a fresh array (rows, units)."""
        matrix = self.matrix
        dot = slot.given.T.dot if slot.tail else slot.given[None].dot
        if self.activation == "linear":
            return lambda: dot(matrix)
        function = function_of(self.activation)
        return lambda: function(dot(matrix))
