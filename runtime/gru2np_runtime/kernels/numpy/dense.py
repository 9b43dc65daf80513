"""A Dense layer of a chain in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.activations import function_of
from gru2np_runtime.kernels.numpy.packed import PackedStep, elementwise, into, with_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np_runtime.kernels.numpy.packed import RunStep, Slot
    from gru2np_runtime.kernels.plain.pointwise import DensePlan
    from gru2np_runtime.layer import Array


class DenseStep(PackedStep):
    """One product and the activation; the bias is the last row of the matrix.

    Attributes:
        elementwise: whether the activation works element by element.
    """

    def __init__(self, plan: DensePlan) -> None:
        weights = plan.weights
        self.matrix = with_row(weights["kernel"], weights.get("bias"))
        self.features, self.units = weights["kernel"].shape
        self.activation = plan.layer.activation
        self.elementwise = elementwise(self.activation)

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """Writes the output where the next layer reads it; no states."""
        output = slot.output
        activate = into(self.activation)
        product, operand = slot.product(slot.biased_input, self.matrix)

        def step() -> None:
            product(operand, output)
            activate(output, output)

        return step, []

    def result(self, slot: Slot) -> Callable[[], Array]:
        """A function that returns the output as a new array (rows, units)."""
        matrix = self.matrix
        x = slot.biased_input
        dot = x.T.dot if slot.trailing else x[None].dot
        if self.activation == "linear":
            return lambda: dot(matrix)
        function = function_of(self.activation)
        return lambda: function(dot(matrix))
