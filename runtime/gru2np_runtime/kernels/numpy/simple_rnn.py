"""The loop of a SimpleRNN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import Packed, Workspace, into, with_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class SimpleRNNWorkspace(Workspace):
    """``h' = activation(x + h @ recurrent_kernel)``: three calls a step."""

    packed: PackedSimpleRNN

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
