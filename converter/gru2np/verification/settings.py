"""How to compare: the tolerances of each number type, and what a user asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.layers.spec import dtype_name
from gru2np.verification.comparison import HALF, Tolerance
from gru2np.verification.samples import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import KerasLayer

# Two programs on one machine, by the least precise number type of the model.
TOLERANCES = {
    "float32": Tolerance(1e-6, 1e-5),
    "float64": Tolerance(1e-12, 1e-10),
    # Keras computes these in half precision, gru2np in float32.
    "float16": Tolerance(0.0, 2e-3),
    "bfloat16": Tolerance(0.0, 2e-2),
}
# Outputs recorded by another machine or another version.
RECORDED = Tolerance(2e-5, 1e-4)


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        atol: absolute tolerance, in place of the one for the model's number type.
        rtol: the same, relative to the largest number of an array.
        layers: compare every layer's output too.
    """

    atol: float | None = None
    rtol: float | None = None
    layers: bool = False

    def tolerance(self, usual: Tolerance) -> Tolerance:
        """The usual tolerance where none was given."""
        return Tolerance(
            usual.atol if self.atol is None else self.atol,
            usual.rtol if self.rtol is None else self.rtol,
        )

    @property
    def lenient(self) -> bool:
        """Whether rounding may go beyond it: a number that was given is meant."""
        return self.atol is None and self.rtol is None


def precision(conversion: Conversion) -> str:
    """The least precise number type that the model computes in, in its Keras."""
    policies = {dtype_name(own) for own in _policies(conversion.model.layers)}
    for half in HALF[::-1]:
        if policies & {half, f"mixed_{half}"}:
            return half
    computed = {
        layer.dtype
        for layer in walk(conversion.built.graph)
        if not layer.keeps_dtype and layer.gives_dtype is None
    }
    return "float64" if computed == {"float64"} else "float32"


def _policies(layers: Sequence[KerasLayer]) -> Iterator[object]:
    for layer in layers:
        if layer.class_name != "InputLayer":
            yield layer.config.get("dtype")
        inside = [child for _, child in layer.children]
        yield from _policies([*inside, *(layer.model.layers if layer.model else ())])
