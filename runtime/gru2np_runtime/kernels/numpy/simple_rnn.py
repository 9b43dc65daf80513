"""A SimpleRNN in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import (
    Packed,
    PackedStep,
    Workspace,
    into,
    with_row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import RunStep, Slot
    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import SimpleRNNCell


class PackedSimpleRNN(Packed):
    """The bias is the last row of the kernel."""

    def __init__(self, layer: SimpleRNNCell, weights: Mapping[str, Array]) -> None:
        self.layer = layer
        kernel = with_row(weights["kernel"], weights.get("bias"))
        recurrent = np.array(weights["recurrent_kernel"], order="C")
        super().__init__(kernel, recurrent, layer.units)

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers, and the loop over time."""
        return SimpleRNNWorkspace(self, time, batch)

    def for_steps(self) -> PackedStep:
        """One form for all options."""
        return SimpleRNNStep(self)


class SimpleRNNWorkspace(Workspace):
    """``h' = activation(x + h @ recurrent_kernel)``: three calls a step."""

    def __init__(self, packed: PackedSimpleRNN, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        self.activate = into(packed.layer.activation)
        self.rows = [
            (*product, x, next_h)
            for product, x, next_h in zip(self.products, self.projected, self.h[1:])
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Everything is computed in the array of the next state."""
        add, activate = np.add, self.activate
        for dot, operand, x, next_h in rows:
            dot(operand, next_h)
            add(next_h, x, next_h)
            activate(next_h, next_h)


class SimpleRNNStep(PackedStep):
    """One step of a SimpleRNN: one product and the activation."""

    def __init__(self, packed: PackedSimpleRNN) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        self.matrix = np.concatenate([packed.kernel, packed.recurrent])

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """The product reads h and so needs a buffer; the state is h."""
        h, total = slot.output, slot.empty(self.units)
        activate = into(self.packed.layer.activation)
        product, operand = slot.product(slot.biased_input_and_output, self.matrix)

        def step() -> None:
            product(operand, total)
            activate(total, h)

        return step, [h]
