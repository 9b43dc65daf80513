"""Elementwise functions of one tensor, as operations of a graph."""

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


# Functions of integers and floats.
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
    "exp2": np.exp2,
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
# ``identity`` stands for operations that change only the gradient.
UNARY: dict[str, Callable[[Any], Any]] = {
    **OF_NUMBERS,
    **OF_FLOATS,
    **TESTS,
    "identity": np.asarray,
}


class Unary(Operation):
    """An elementwise function of one tensor; ``function`` is one of ``UNARY``."""

    op = "unary"
    function: str

    @property
    def discrete_output(self) -> bool:  # type: ignore[override]
        """For tests, whose output is bool."""
        return self.function in TESTS

    def check(self) -> None:
        """``function`` is one of ``UNARY``."""
        check_choice(self.op, "function", self.function, tuple(UNARY))

    def output_dtype(self, *dtypes: str) -> str:
        """bool for tests, else the input's dtype."""
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
    """An activation function as an operation: computed in the input's dtype."""

    op = "activated"
    casts_floats = False

    def output_dtype(self, *dtypes: str) -> str:
        """The input's dtype, which must be a float."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]


class Clip(Operation):
    """``min(max(x, lower), upper)``."""

    op = "clip"
    lower: float
    upper: float

    def check(self) -> None:
        """``lower`` is not above ``upper``, where libraries differ."""
        if not self.lower <= self.upper:
            raise ValueError(
                f"clip: expected lower <= upper, got {self.lower} and {self.upper}"
            )

    def output_dtype(self, *dtypes: str) -> str:
        """The input's dtype, which must be a float."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape, floats."""
        dtype = inputs[0].dtype.type
        with np.errstate(all="ignore"):
            return np.clip(inputs[0], dtype(self.lower), dtype(self.upper))

    def breakpoints(self) -> tuple[float, ...]:
        """The bounds that are finite."""
        return tuple(bound for bound in (self.lower, self.upper) if abs(bound) < np.inf)


LAYERS = {layer.op: layer for layer in (Activated, Clip, Unary)}
