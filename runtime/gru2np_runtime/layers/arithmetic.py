"""Functions of two tensors, or of a tensor and a constant, element by element.

Nodes of ``keras.ops`` and TensorFlow's own operations in a Keras graph.  Shapes are
broadcast from the last axis on, as NumPy does; axis 0 stays the batch, so all tensors
have the same rank.  What the numbers become follows Keras 3
(``keras/src/backend/common/dtypes.py``), where constants of Python yield to tensors;
where TensorFlow allows a pair of types at all, it agrees.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS
from gru2np_runtime.layers.axes import check_choice
from gru2np_runtime.layers.operation import (
    Operation,
    broadcast_shape,
    broadcastable,
    check_floats,
    check_numbers,
    common_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.layer import Array, Shape

KINDS = ("", "bool", "int", "float", "float32", "int32", "int64")


def _divide(x: Array, y: Array) -> Any:
    return x / y


def _divide_no_nan(x: Array, y: Array) -> Any:
    return np.where(y == 0.0, y.dtype.type(0), x / y)


def _floor_of_quotient(x: Array, y: Array) -> Any:
    # NumPy rounds before it divides, which is another number where the quotient is
    # nearly whole.
    return np.floor_divide(x, y) if x.dtype.kind in "iu" else np.floor(x / y)


def _squared_difference(x: Array, y: Array) -> Any:
    return (x - y) * (x - y)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "arctan2": np.arctan2,
    "divide": _divide,
    "divide_no_nan": _divide_no_nan,
    "floor_divide": np.floor_divide,
    "floor_of_quotient": _floor_of_quotient,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "multiply": np.multiply,
    "power": np.power,
    "squared_difference": _squared_difference,
    "subtract": np.subtract,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "not_equal": np.not_equal,
}
LOGIC: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
BINARY = {**ARITHMETIC, **COMPARISONS, **LOGIC}
# Whole numbers become ``dtype`` here.
QUOTIENTS = ("divide", "divide_no_nan")
FLOATS_ONLY = ("arctan2", "squared_difference")
# Of two arrays of floats there is nothing to find out before.
SETTLED = ("add", "divide", "maximum", "minimum", "multiply", "subtract")
# Functions that turn at their constant; the numbers of a long one would be too many.
TURNING = (
    *COMPARISONS,
    "floor_divide",
    "floor_of_quotient",
    "maximum",
    "minimum",
    "mod",
)
MOST_TURNS = 64
# Division that whole numbers have no 0 for.
WHOLE_DIVISION = ("floor_divide", "floor_of_quotient", "mod")


class Binary(Operation):
    """A function of two tensors, or of a tensor and a constant.

    Args:
        function: one of ``BINARY``.
        constant: the numbers of the constant, in order; empty for two tensors.
        constant_shape: its shape; empty for a single number.
        constant_kind: ``bool``, ``int`` or ``float`` for constants that take the
            tensor's dtype where it can hold such numbers; a dtype for those that have
            one; empty for two tensors.
        constant_first: whether the constant is the first operand.
        dtype: what whole numbers become that meet a constant with a fraction, or that
            are divided.
    """

    op = "binary"
    takes_several = True
    function: str
    constant: tuple[float, ...] = ()
    constant_shape: tuple[int, ...] = ()
    constant_kind: str = ""
    constant_first: bool = False

    def check(self) -> None:
        """The function is known, and the constant has its shape."""
        check_choice(self.op, "function", self.function, tuple(BINARY))
        check_choice(self.op, "constant_kind", self.constant_kind, KINDS)
        sizes = self.constant_shape
        count = prod(sizes) if self.constant_kind else 0
        if any(size < 1 for size in sizes) or len(self.constant) != count:
            raise ValueError(
                f"binary: {len(self.constant)} numbers in a constant of shape {sizes}"
            )
        whole = self.constant_kind.startswith(("bool", "int"))
        if whole and not all(number.is_integer() for number in self.constant):
            raise ValueError(f"binary: a constant that is no {self.constant_kind}")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shapes, broadcast."""
        count = 1 if self.constant_kind else 2
        if len(shapes) != count:
            raise ValueError(f"binary: expected {count} inputs, got {len(shapes)}")
        own = self.constant_shape
        rank = len(shapes[0])
        if len(own) > rank or (len(own) == rank and own[:1] not in ((), (1,))):
            raise ValueError(f"binary: a constant of shape {own} beside {shapes[0]}")
        padded = (1,) * (rank - len(own)) + own
        return (broadcast_shape(self.op, (*shapes, padded) if own else shapes),)

    def output_dtype(self, *dtypes: str) -> str:
        """Bool of comparisons, else the common dtype."""
        common = self._common(dtypes)
        return common if self.function in ARITHMETIC else "bool"

    def _common(self, dtypes: tuple[str, ...]) -> str:
        """The dtype to compute in."""
        if self.function in LOGIC:
            return "bool"
        kinds = (*dtypes, self.constant_kind) if self.constant_kind else dtypes
        found = common_dtype(self.op, kinds, self.dtype)
        if self.function in ARITHMETIC:
            check_numbers(self.function, found)
        if self.function in FLOATS_ONLY:
            check_floats(self.function, found)
        if self.function == "floor_divide" and found.startswith("float"):
            # JAX and torch divide 1 by 0.1 nine times, TensorFlow ten times.
            raise ValueError("floor_divide of floats, where backends of Keras differ")
        if found == "int64" not in dtypes:
            raise ValueError("an array of int64 beside whole numbers that are not")
        if not found.startswith("float") and self.function in QUOTIENTS:
            if self.dtype == "float64" and found[-2:] not in ("32", "64"):
                raise ValueError(f"{self.function}: {found} is not supported")
            found = self.dtype
        if found.startswith(("int", "uint")) and self.constant:
            limits = np.iinfo(found)
            if not limits.min <= min(self.constant) <= max(self.constant) <= limits.max:
                raise ValueError(f"{self.function}: a constant beyond {found}")
            if self.function in (*WHOLE_DIVISION, "power"):
                self._check_whole(min(self.constant), 0.0 in self.constant)
        return found

    def _check_whole(self, least: float, zero: bool) -> None:
        """TensorFlow stops at these, and JAX makes up a number."""
        if self.function == "power":
            if least < 0 and not self.constant_first:
                raise ValueError("power: a whole number to a negative power")
        elif zero and not self.constant_first:
            raise ValueError(f"{self.function}: a whole number divided by 0")

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, and y where there is no constant: (batch, ...), of any dtype."""
        if self._plain(inputs):
            with np.errstate(all="ignore"):
                return np.asarray(ARITHMETIC[self.function](*inputs))
        kind = self._common(tuple(x.dtype.name for x in inputs))
        with np.errstate(all="ignore"):
            operands = [x.astype(kind, copy=False) for x in inputs]
            if self.constant_kind:
                constant = np.array(self.constant).astype(kind)
                constant = constant.reshape(self.constant_shape)
                operands.insert(0 if self.constant_first else 1, constant)
            divides = self.function in WHOLE_DIVISION
            if divides and kind[:1] in "iu" and not operands[1].all():
                raise InputError(f"{self.function}: whole numbers divided by 0")
            x, y = broadcastable(self.op, operands)
            return np.asarray(BINARY[self.function](x, y))

    @property
    def renumbers(self) -> bool:  # type: ignore[override]
        """Comparisons do, and what is made of them."""
        return self.function not in ARITHMETIC

    def turns(self) -> tuple[float, ...]:
        """The constant that numbers are held against."""
        divides = self.function not in (*COMPARISONS, *SETTLED)
        if self.function not in TURNING or (self.constant_first and divides):
            return ()
        return tuple(dict.fromkeys(self.constant))[:MOST_TURNS]

    def _plain(self, inputs: tuple[Array, ...]) -> bool:
        """Two arrays of the same floats and shape: all that follows is settled."""
        if len(inputs) != 2 or self.function not in SETTLED:
            return False
        x, y = inputs
        return x.shape == y.shape and x.dtype == y.dtype and x.dtype.kind == "f"

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise, unless the constant has a number for every time step."""
        rank = len(shapes[0])
        padded = (1,) * (rank - len(self.constant_shape)) + self.constant_shape
        return ACROSS if padded[1:2] not in ((), (1,)) else super().over_time(*shapes)


class Select(Operation):
    """``x where condition else y``; x and y may be single numbers.

    Args:
        x: the number in place of the tensor x; empty for a tensor.
        y: the same for y.
        constant_kind: ``int`` or ``float``, as in ``Binary``; empty for two tensors.
        dtype: what whole numbers become beside one with a fraction.
    """

    op = "select"
    takes_several = True
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    constant_kind: str = ""

    def check(self) -> None:
        """At most one number on each side."""
        check_choice(self.op, "constant_kind", self.constant_kind, ("", "int", "float"))
        numbers = (*self.x, *self.y)
        if (
            len(self.x) > 1
            or len(self.y) > 1
            or bool(numbers) != bool(self.constant_kind)
        ):
            raise ValueError("select: expected single numbers, and their kind")
        if self.constant_kind == "int" and not all(n.is_integer() for n in numbers):
            raise ValueError("select: a constant that is no int")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shapes, broadcast."""
        count = 3 - len(self.x) - len(self.y)
        if len(shapes) != count:
            raise ValueError(f"select: expected {count} inputs, got {len(shapes)}")
        return (broadcast_shape(self.op, shapes),)

    def output_dtype(self, *dtypes: str) -> str:
        """The common dtype of x and y."""
        if dtypes[0] != "bool":
            raise ValueError(f"select: a condition of {dtypes[0]}; compare it first")
        kinds = (*dtypes[1:], *([self.constant_kind] if self.constant_kind else []))
        found = common_dtype(self.op, kinds, self.dtype)
        if found.startswith(("int", "uint")):
            for number in (*self.x, *self.y):
                if not np.iinfo(found).min <= number <= np.iinfo(found).max:
                    raise ValueError(f"select: a constant beyond {found}")
        return found

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """condition, and what of x and y is no number: (batch, ...)."""
        kind = self.output_dtype(*(x.dtype.name for x in inputs))
        tensors = list(broadcastable(self.op, inputs[1:]))
        broadcastable(self.op, inputs)
        sides = [
            np.array(number[0]).astype(kind) if number else tensors.pop(0)
            for number in (self.x, self.y)
        ]
        x, y = (side.astype(kind, copy=False) for side in sides)
        return np.where(inputs[0], x, y)


LAYERS = {layer.op: layer for layer in (Binary, Select)}
