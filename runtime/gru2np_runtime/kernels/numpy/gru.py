"""A GRU in NumPy: columns z, r, candidate.

The equations are in three tails, one for each form of GRU.  A tail is the elementwise
part of a time step, after the matrix products.  The loop over a sequence and the single
step compute the products differently and share the tails.
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
    from gru2np_runtime.layers.cells import GRUCell

    # Called with x @ kernel of the candidate, h, and the array for the next h.
    Tail = Callable[[Array, Array, Array], object]

# With fewer units, one product with a block of zeros is faster than two products.
AUGMENTED_UNITS = 128


class PackedGRU(Packed):
    """Biases and the scale of the gates are folded into the weights.

    Attributes:
        candidate: (units, units), the recurrent kernel of the candidate where the reset
            is applied before the product; None for ``reset_after``.
    """

    def __init__(self, layer: GRUCell, weights: Mapping[str, Array]) -> None:
        units = layer.units
        self.layer = layer
        self.gate = Gate(layer.recurrent_activation)
        # Dividing by 1 + exp(-a) replaces the product with the gate: fewer calls.
        self.exponential = layer.reset_after and self.gate.name == "sigmoid"
        scale = -1.0 if self.exponential else self.gate.scale
        input_bias = recurrent_bias = None
        if "bias" in weights:
            bias = np.atleast_2d(weights["bias"])
            input_bias = bias[0]
            recurrent_bias = bias[1] if layer.reset_after else None
        kernel = with_row(weights["kernel"], input_bias)
        recurrent = np.array(weights["recurrent_kernel"])
        if recurrent_bias is not None:
            recurrent = with_row(recurrent, recurrent_bias)
        for matrix in (kernel, recurrent):
            matrix[:, : 2 * units] *= scale
        kernel[-1, : 2 * units] += self.gate.offset
        self.candidate: Array | None = None
        if not layer.reset_after:
            self.candidate = np.ascontiguousarray(recurrent[:, 2 * units :])
            recurrent = np.ascontiguousarray(recurrent[:, : 2 * units])
        super().__init__(kernel, recurrent, units)

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers, and the loop over time."""
        return GRUWorkspace(self, time, batch)

    def for_steps(self) -> PackedStep:
        """The weights of ``reset_after`` or of the other form."""
        if self.candidate is None:
            return ResetAfterStep(self)
        return ResetBeforeStep(self)

    def tail(self, buffers: Buffers, zr: Array, m: Array) -> Tail:
        """The elementwise part of a time step.

        Args:
            buffers: allocates more buffers.
            zr: the sums of gates z and r.
            m: h @ recurrent_kernel of the candidate; without ``reset_after`` a buffer
                for it.
        """
        if self.candidate is not None:
            return self._reset_before(buffers, zr, m, self.candidate)
        if self.exponential:
            return self._exponential_reset_after(buffers, zr, m)
        return self._reset_after(buffers, zr, m)

    def _exponential_reset_after(self, buffers: Buffers, zr: Array, m: Array) -> Tail:
        """``h' = hh + (h - hh) / (1 + e_z)`` with ``e = exp(-sum)``."""
        add, divide, subtract, exp = np.add, np.divide, np.subtract, np.exp
        activate, units = into(self.layer.activation), self.units
        z, r = zr[:units], zr[units:]
        difference, one = buffers.empty(units), buffers.full(2 * units, 1.0)

        def tail(x_h: Array, h: Array, next_h: Array) -> None:
            exp(zr, zr)
            add(zr, one, zr)
            divide(m, r, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            divide(difference, z, difference)
            add(difference, m, next_h)

        return tail

    def _reset_after(self, buffers: Buffers, zr: Array, m: Array) -> Tail:
        """``h' = hh + z * (h - hh)``, ``hh = activation(x_h + r * (h @ U_h))``."""
        add, multiply, subtract = np.add, np.multiply, np.subtract
        activate, units = into(self.layer.activation), self.units
        gate = self.gate.into(zr.shape, zr.dtype)
        z, r = zr[:units], zr[units:]
        difference = buffers.empty(units)

        def tail(x_h: Array, h: Array, next_h: Array) -> None:
            gate(zr, zr)
            multiply(r, m, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, next_h)

        return tail

    def _reset_before(
        self, buffers: Buffers, zr: Array, m: Array, candidate: Array
    ) -> Tail:
        """``h' = hh + z * (h - hh)``, ``hh = activation(x_h + (r * h) @ U_h)``."""
        add, multiply, subtract = np.add, np.multiply, np.subtract
        activate, units = into(self.layer.activation), self.units
        gate = self.gate.into(zr.shape, zr.dtype)
        z, r = zr[:units], zr[units:]
        difference = buffers.empty(units)
        reset = difference
        product, operand = buffers.product(reset, candidate)

        def tail(x_h: Array, h: Array, next_h: Array) -> None:
            gate(zr, zr)
            multiply(r, h, reset)
            product(operand, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, next_h)

        return tail


class GRUWorkspace(Workspace):
    """Buffers and loop of every form of GRU."""

    def __init__(self, packed: PackedGRU, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        units = packed.units
        total = self.empty(3 * units)
        self.zr = total[: 2 * units]
        self.sums = total[: packed.recurrent.shape[1]]
        self.tail = packed.tail(self, self.zr, total[2 * units :])
        self.rows = [
            (*product, x_zr, x_h, h, next_h)
            for product, x_zr, x_h, h, next_h in zip(
                self.products,
                self.projected[:, : 2 * units],
                self.projected[:, 2 * units :],
                self.h,
                self.h[1:],
            )
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """For each time step: the sums, then the tail."""
        add, sums, zr, tail = np.add, self.sums, self.zr, self.tail
        for dot, operand, x_zr, x_h, h, next_h in rows:
            dot(operand, sums)
            add(zr, x_zr, zr)
            tail(x_h, h, next_h)


class ResetAfterStep(PackedStep):
    """One step of a GRU with ``reset_after``: one product, or two."""

    def __init__(self, packed: PackedGRU) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        kernel, recurrent = packed.kernel, packed.recurrent
        units, rows = self.units, kernel.shape[0]
        bias = recurrent[units:]
        # [1, h] to z, r, m; the kernel does the same for [x, 1].
        self.biased = np.zeros((1 + units, 3 * units), kernel.dtype)
        self.biased[1:] = recurrent[:units]
        self.biased[:1] += bias.sum(axis=0)
        self.augmented: Array | None = None
        if units < AUGMENTED_UNITS:
            # [x, 1, h] to z, r, m and x_h, the candidate's x @ kernel.
            both = np.zeros((rows + units, 4 * units), kernel.dtype)
            both[:rows, : 2 * units] = kernel[:, : 2 * units]
            both[:rows, 3 * units :] = kernel[:, 2 * units :]
            both[rows - 1 :, : 3 * units] += self.biased
            self.augmented = both

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """Nine to eleven NumPy calls with sigmoid gates; the state is h."""
        units, add, h = self.units, np.add, slot.output
        total = slot.empty(4 * units)
        zr, m, x_h = np.split(total, [2 * units, 3 * units])
        tail = self.packed.tail(slot, zr, m)
        if self.augmented is not None and not slot.trailing:
            product, operand = slot.product(
                slot.biased_input_and_output, self.augmented
            )

            def step() -> None:
                product(operand, total)
                tail(x_h, h, h)

            return step, [h]
        # Columns z, r, candidate of x @ kernel; of [1, h] the columns z, r, m.
        projected = slot.empty(3 * units)
        first, first_operand = slot.product(slot.biased_input, self.packed.kernel)
        second, second_operand = slot.product(slot.biased_output, self.biased)
        zrm, x_zr, x_candidate = total[: 3 * units], *np.split(projected, [2 * units])

        def step_with_two_products() -> None:
            first(first_operand, projected)
            second(second_operand, zrm)
            add(zr, x_zr, zr)
            tail(x_candidate, h, h)

        return step_with_two_products, [h]


class ResetBeforeStep(PackedStep):
    """One step of a GRU without ``reset_after``: three products."""

    def __init__(self, packed: PackedGRU) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        kernel, units = packed.kernel, self.units
        self.gates = np.concatenate([kernel[:, : 2 * units], packed.recurrent])
        self.kernel = np.ascontiguousarray(kernel[:, 2 * units :])

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """The sums of the gates, x @ kernel of the candidate, and the tail."""
        units, h = self.units, slot.output
        zr, m, x_h = slot.empty(2 * units), slot.empty(units), slot.empty(units)
        tail = self.packed.tail(slot, zr, m)
        first, first_operand = slot.product(slot.biased_input_and_output, self.gates)
        second, second_operand = slot.product(slot.biased_input, self.kernel)

        def step() -> None:
            first(first_operand, zr)
            second(second_operand, x_h)
            tail(x_h, h, h)

        return step, [h]
