"""A SimpleRNN in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import (
    Packed,
    Stepped,
    Workspace,
    into,
    with_row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import Advance, Slot
    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import SimpleRNNCell


class PackedSimpleRNN(Packed):
    """The bias is a row of the kernel."""

    def __init__(self, layer: SimpleRNNCell, weights: Mapping[str, Array]) -> None:
        self.layer = layer
        kernel = with_row(weights["kernel"], weights.get("bias"))
        recurrent = np.array(weights["recurrent_kernel"], order="C")
        super().__init__(kernel, recurrent, layer.units)

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers with the loop."""
        return SimpleRNNWorkspace(self, time, batch)

    def for_steps(self) -> Stepped:
        """One form serves all."""
        return SimpleRNNStep(self)


class SimpleRNNWorkspace(Workspace):
    """``h' = activation(x + h @ recurrent_kernel)``: three calls a step."""

    def __init__(self, packed: PackedSimpleRNN, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        self.activate = into(packed.layer.activation)
        self.rows = [
            (*product, x, following)
            for product, x, following in zip(self.products, self.projected, self.h[1:])
        ]

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The product is made where the next state goes."""
        add, activate = np.add, self.activate
        for dot, operand, x, following in rows:
            dot(operand, following)
            add(following, x, following)
            activate(following, following)


class SimpleRNNStep(Stepped):
    """One step: one product, one function."""

    def __init__(self, packed: PackedSimpleRNN) -> None:
        self.packed = packed
        self.features, self.units = packed.features, packed.units
        self.matrix = np.concatenate([packed.kernel, packed.recurrent])

    def bind(self, slot: Slot) -> tuple[Advance, list[Array]]:
        """The product reads h, so that it goes elsewhere first."""
        h, total = slot.value, slot.empty(self.units)
        activate = into(self.packed.layer.activation)
        product, operand = slot.product(slot.both, self.matrix)

        def step() -> None:
            product(operand, total)
            activate(total, h)

        return step, [h]
