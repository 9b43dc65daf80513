"""How to compare: the tolerances of each dtype, and the user's settings."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from gru2np.errors import InputError
from gru2np.ir import walk_keras
from gru2np.layers.spec import HALF, dtype_name
from gru2np.verification.comparison import Tolerance
from gru2np_runtime.proof.replay import computes_in

if TYPE_CHECKING:
    from gru2np.convert import Conversion

# Two programs on one machine, by the least precise dtype of the model.
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
        atol: absolute tolerance; None for that of the model's dtype.
        rtol: relative tolerance, by the largest number of an array; the same default.
        layers: compare every layer's output too.

    Raises:
        InputError: a tolerance is no finite number of 0 or more.
    """

    atol: float | None = None
    rtol: float | None = None
    layers: bool = False

    def __post_init__(self) -> None:
        for name, value in (("atol", self.atol), ("rtol", self.rtol)):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and 0 <= value < inf):
                raise InputError(
                    f"{name}: expected a finite number of 0 or more, got {value!r}: "
                    f"leave out --{name} ({name}= in Python) for that of the dtype"
                )

    def tolerance(self, default: Tolerance) -> Tolerance:
        """The user's tolerance, with the default for what the user left out."""
        return Tolerance(
            default.atol if self.atol is None else self.atol,
            default.rtol if self.rtol is None else self.rtol,
        )

    @property
    def lenient(self) -> bool:
        """Whether rounding beyond the tolerance agrees: not with a user's tolerance."""
        return self.atol is None and self.rtol is None


def precision(conversion: Conversion) -> str:
    """The least precise dtype in which its Keras computes the model."""
    policies = {
        dtype_name(layer.config.get("dtype"))
        for layer in walk_keras(conversion.model.layers)
        if layer.class_name != "InputLayer"
    }
    for half in HALF[::-1]:
        if policies & {half, f"mixed_{half}"}:
            return half
    return computes_in(conversion.built.graph)
