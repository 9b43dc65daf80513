"""Functions of one tensor, element by element, as operations of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.functions import erf
from gru2np_runtime.layers.axes import check_choice
from gru2np_runtime.layers.core import Activation
from gru2np_runtime.layers.operation import Operation, check_floats, check_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.layer import Array


def _rsqrt(x: Array) -> Array:
    return 1.0 / np.sqrt(x)


def _reciprocal(x: Array) -> Array:
    return 1.0 / x


# Functions that whole numbers have too.
OF_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "absolute": np.absolute,
    "negative": np.negative,
    "sign": np.sign,
    "square": np.square,
}
TESTS: dict[str, Callable[[Any], Any]] = {
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "logical_not": np.logical_not,
}
OF_FLOATS: dict[str, Callable[[Any], Any]] = {
    "arccos": np.arccos,
    "arccosh": np.arccosh,
    "arcsin": np.arcsin,
    "arcsinh": np.arcsinh,
    "arctan": np.arctan,
    "arctanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "floor": np.floor,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "reciprocal": _reciprocal,
    "round": np.rint,
    "rsqrt": _rsqrt,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "trunc": np.trunc,
}
# Gradients are nothing to a forward pass.
UNARY: dict[str, Callable[[Any], Any]] = {
    **OF_NUMBERS,
    **OF_FLOATS,
    **TESTS,
    "identity": np.asarray,
}


class Unary(Operation):
    """A function of one tensor, ``function`` being one of ``UNARY``."""

    op = "unary"
    function: str

    @property
    def renumbers(self) -> bool:  # type: ignore[override]
        """Tests do."""
        return self.function in TESTS

    def check(self) -> None:
        """The function is known."""
        check_choice(self.op, "function", self.function, tuple(UNARY))

    def output_dtype(self, *dtypes: str) -> str:
        """Bool of tests, else that of the input."""
        if self.function in TESTS:
            return "bool"
        if self.function == "identity":
            return dtypes[0]
        check = check_numbers if self.function in OF_NUMBERS else check_floats
        check(self.function, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        self.output_dtype(inputs[0].dtype.name)
        with np.errstate(all="ignore"):
            return np.asarray(UNARY[self.function](inputs[0]))


class Activated(Activation):
    """An activation function as an operation: in the dtype of its input."""

    op = "activated"
    casts_floats = False

    def output_dtype(self, *dtypes: str) -> str:
        """That of the input."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]


class Clip(Operation):
    """``min(max(x, lower), upper)``."""

    op = "clip"
    lower: float
    upper: float

    def check(self) -> None:
        """Lower is not above upper: libraries differ there."""
        if not self.lower <= self.upper:
            raise ValueError(f"clip: lower is {self.lower}, upper {self.upper}")

    def output_dtype(self, *dtypes: str) -> str:
        """That of the input."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape, floating numbers."""
        kind = inputs[0].dtype.type
        with np.errstate(all="ignore"):
            return np.clip(inputs[0], kind(self.lower), kind(self.upper))

    def turns(self) -> tuple[float, ...]:
        """Both ends, where there are such."""
        return tuple(end for end in (self.lower, self.upper) if abs(end) < np.inf)


LAYERS = {layer.op: layer for layer in (Activated, Clip, Unary)}
