"""A Dense layer in NumPy, inside a chain or at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.activations import function_of
from gru2np_runtime.kernels.numpy.packed import Stepped, elementwise, into, with_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np_runtime.kernels.numpy.packed import Advance, Slot
    from gru2np_runtime.kernels.plain.pointwise import DensePlan
    from gru2np_runtime.layer import Array


class DenseStep(Stepped):
    """One product, one function; the bias is a row of the matrix.

    Attributes:
        elementwise: whether the function treats every unit alone.
    """

    def __init__(self, plan: DensePlan) -> None:
        weights = plan.weights
        self.matrix = with_row(weights["kernel"], weights.get("bias"))
        self.features, self.units = weights["kernel"].shape
        self.activation = plan.layer.activation
        self.elementwise = elementwise(self.activation)

    def bind(self, slot: Slot) -> tuple[Advance, list[Array]]:
        """The output where the next layer reads it; no states."""
        value = slot.value
        activate = into(self.activation)
        product, operand = slot.product(slot.given, self.matrix)

        def step() -> None:
            product(operand, value)
            activate(value, value)

        return step, []

    def result(self, slot: Slot) -> Callable[[], Array]:
        """A function that gives the output as a fresh array (rows, units)."""
        matrix = self.matrix
        dot = slot.given.T.dot if slot.trailing else slot.given[None].dot
        if self.activation == "linear":
            return lambda: dot(matrix)
        function = function_of(self.activation)
        return lambda: function(dot(matrix))
