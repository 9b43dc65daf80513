"""Functions of two tensors, or of a tensor and a constant, element by element.

Nodes of ``keras.ops`` and TensorFlow operations in a Keras graph.  Shapes are broadcast
from the last axis on, as in NumPy; axis 0 stays the batch, so all tensors have the same
rank.  Dtypes follow Keras 3 (``keras/src/backend/common/dtypes.py``), where Python
constants take the dtype of the tensor; TensorFlow agrees for every pair of dtypes that
it supports.
"""

from __future__ import annotations

from functools import reduce
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
    # For floats, np.floor_divide rounds differently where the quotient is close to an
    # integer.
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
    "logaddexp": np.logaddexp,
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
# Integers become floats of the layer's dtype in these.
QUOTIENTS = ("divide", "divide_no_nan")
FLOATS_ONLY = ("arctan2", "logaddexp", "squared_difference")
# Functions that need no checks for two float arrays of one dtype and shape.
UNCHECKED = ("add", "divide", "maximum", "minimum", "multiply", "subtract")
# Functions with a breakpoint at each number of their constant, up to a limit.
WITH_BREAKPOINTS = (
    *COMPARISONS,
    "floor_divide",
    "floor_of_quotient",
    "maximum",
    "minimum",
    "mod",
)
MAX_BREAKPOINTS = 64
# Divisions of integers, undefined for a divisor of 0.
INTEGER_DIVISION = ("floor_divide", "floor_of_quotient", "mod")


class Binary(Operation):
    """A function of two tensors, or of a tensor and a constant.

    Args:
        function: one of ``BINARY``.
        constant: the numbers of the constant, in C order; empty for two tensors.
        constant_shape: its shape; empty for a single number.
        constant_kind: ``bool``, ``int`` or ``float`` for Python constants, which take
            the tensor's dtype where it can hold them; a dtype for constants that have
            one; empty for two tensors.
        constant_first: whether the constant is the first operand.
        dtype: the float dtype for integers with a float constant, and for quotients of
            integers.
    """

    op = "binary"
    takes_several = True
    function: str
    constant: tuple[float, ...] = ()
    constant_shape: tuple[int, ...] = ()
    constant_kind: str = ""
    constant_first: bool = False

    def check(self) -> None:
        """The function is known, and the constant fits its shape and kind."""
        check_choice(self.op, "function", self.function, tuple(BINARY))
        check_choice(self.op, "constant_kind", self.constant_kind, KINDS)
        sizes = self.constant_shape
        count = prod(sizes) if self.constant_kind else 0
        if any(size < 1 for size in sizes) or len(self.constant) != count:
            raise ValueError(
                f"binary: expected {count} numbers in a constant of shape {sizes}, "
                f"got {len(self.constant)}"
            )
        integer = self.constant_kind.startswith(("bool", "int"))
        if integer and not all(number.is_integer() for number in self.constant):
            raise ValueError(
                f"binary: expected a constant of {self.constant_kind}, "
                f"got {self.constant}"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes, broadcast."""
        count = 1 if self.constant_kind else 2
        if len(shapes) != count:
            raise ValueError(f"binary: expected {count} inputs, got {len(shapes)}")
        constant = self.constant_shape
        rank = len(shapes[0])
        has_batch = len(constant) == rank and constant[:1] not in ((), (1,))
        if len(constant) > rank or has_batch:
            raise ValueError(
                f"binary: expected a constant that broadcasts to {shapes[0]} without "
                f"the batch axis, got shape {constant}"
            )
        padded = (1,) * (rank - len(constant)) + constant
        return (broadcast_shape(self.op, (*shapes, padded) if constant else shapes),)

    def output_dtype(self, *dtypes: str) -> str:
        """bool for comparisons and logic, else the common dtype."""
        common = self._common(dtypes)
        return common if self.function in ARITHMETIC else "bool"

    def _common(self, dtypes: tuple[str, ...]) -> str:
        """The dtype to compute in."""
        if self.function in LOGIC:
            return "bool"
        kinds = (*dtypes, self.constant_kind) if self.constant_kind else dtypes
        common = common_dtype(self.op, kinds, self.dtype)
        if self.function in ARITHMETIC:
            check_numbers(self.function, common)
        if self.function in FLOATS_ONLY:
            check_floats(self.function, common)
        if self.function == "floor_divide" and common.startswith("float"):
            # 1 // 0.1 is 9 on JAX and torch, 10 on TensorFlow.
            raise ValueError("floor_divide of floats, where backends of Keras differ")
        if common == "int64" not in dtypes:
            raise ValueError(
                f"{self.function}: {' and '.join(kinds)} give int64, which is not "
                "supported; cast a tensor to int64 first"
            )
        if not common.startswith("float") and self.function in QUOTIENTS:
            if self.dtype == "float64" and common[-2:] not in ("32", "64"):
                raise ValueError(f"{self.function}: {common} is not supported")
            common = self.dtype
        if common.startswith(("int", "uint")) and self.constant:
            limits = np.iinfo(common)
            if not limits.min <= min(self.constant) <= max(self.constant) <= limits.max:
                raise ValueError(f"{self.function}: a constant beyond {common}")
            if self.function in (*INTEGER_DIVISION, "power"):
                self._check_integers(min(self.constant), 0.0 in self.constant)
        return common

    def _check_integers(self, least: float, zero: bool) -> None:
        """Refuse undefined results: an error in TensorFlow, arbitrary in JAX."""
        if self.function == "power":
            if least < 0 and not self.constant_first:
                raise ValueError("power: an integer to a negative power")
        elif zero and not self.constant_first:
            raise ValueError(f"{self.function}: an integer divided by 0")

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, and y unless there is a constant: (batch, ...), any dtype."""
        if self._is_unchecked(inputs):
            with np.errstate(all="ignore"):
                return np.asarray(ARITHMETIC[self.function](*inputs))
        common = self._common(tuple(x.dtype.name for x in inputs))
        with np.errstate(all="ignore"):
            operands = [x.astype(common, copy=False) for x in inputs]
            if self.constant_kind:
                constant = np.array(self.constant).astype(common)
                constant = constant.reshape(self.constant_shape)
                operands.insert(0 if self.constant_first else 1, constant)
            divides = self.function in INTEGER_DIVISION
            if divides and common[:1] in "iu" and not operands[1].all():
                raise InputError(f"{self.function}: integers divided by 0")
            x, y = broadcastable(self.op, operands)
            return np.asarray(BINARY[self.function](x, y))

    @property
    def discrete_output(self) -> bool:  # type: ignore[override]
        """For comparisons and logic."""
        return self.function not in ARITHMETIC

    def breakpoints(self) -> tuple[float, ...]:
        """The numbers of the constant, for functions with breakpoints there."""
        divides = self.function not in (*COMPARISONS, *UNCHECKED)
        if self.function not in WITH_BREAKPOINTS or (self.constant_first and divides):
            return ()
        return tuple(dict.fromkeys(self.constant))[:MAX_BREAKPOINTS]

    def _is_unchecked(self, inputs: tuple[Array, ...]) -> bool:
        """Whether both inputs are floats of one dtype and shape, with no constant."""
        if len(inputs) != 2 or self.function not in UNCHECKED:
            return False
        x, y = inputs
        return x.shape == y.shape and x.dtype == y.dtype and x.dtype.kind == "f"

    def over_time(self, *shapes: Shape) -> str:
        """Per step, unless the constant has different numbers along the time axis."""
        rank = len(shapes[0])
        padded = (1,) * (rank - len(self.constant_shape)) + self.constant_shape
        return ACROSS if padded[1:2] not in ((), (1,)) else super().over_time(*shapes)


class Select(Operation):
    """``x where condition else y``; x and y may be single numbers.

    Args:
        x: the number used instead of the tensor x; empty for a tensor.
        y: the same for y.
        constant_kind: ``int`` or ``float``, as in ``Binary``; empty for two tensors.
        condition: 1 for x and 0 for y, in C order; empty for a tensor.
        condition_shape: its shape, without the batch.
        dtype: the float dtype for integers with a float constant.
    """

    op = "select"
    takes_several = True
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    constant_kind: str = ""
    condition: tuple[int, ...] = ()
    condition_shape: tuple[int, ...] = ()

    def check(self) -> None:
        """x and y have at most one number each, and a kind where there is one."""
        check_choice(self.op, "constant_kind", self.constant_kind, ("", "int", "float"))
        numbers = (*self.x, *self.y)
        if (
            len(self.x) > 1
            or len(self.y) > 1
            or bool(numbers) != bool(self.constant_kind)
        ):
            raise ValueError(
                "select: expected x and y of at most one number, and constant_kind if "
                f"there is one; got {self}"
            )
        if self.constant_kind == "int" and not all(n.is_integer() for n in numbers):
            raise ValueError(f"select: expected a constant of int, got {numbers}")
        held = prod(self.condition_shape) if self.condition_shape else 0
        if held != len(self.condition) or {*self.condition} - {0, 1}:
            raise ValueError("select: the condition does not fit its shape")
        if self.condition and not len(self.x) + len(self.y) < 2:
            raise ValueError("select: expected a tensor")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes, broadcast."""
        count = 3 - len(self.x) - len(self.y) - bool(self.condition)
        if len(shapes) != count:
            raise ValueError(f"select: expected {count} inputs, got {len(shapes)}")
        if not self.condition:
            return (broadcast_shape(self.op, shapes),)
        padded = self._padded(len(shapes[0]))
        if len(padded) > len(shapes[0]) or padded[0] != 1:
            raise ValueError(
                f"select: expected a condition that broadcasts to {shapes[0]} without "
                f"the batch axis, got shape {self.condition_shape}"
            )
        return (broadcast_shape(self.op, (*shapes, padded)),)

    def _padded(self, rank: int) -> tuple[int, ...]:
        """The shape of a constant condition, in the rank of the tensors."""
        return (1,) * (rank - len(self.condition_shape)) + self.condition_shape

    def output_dtype(self, *dtypes: str) -> str:
        """The common dtype of x and y."""
        values = dtypes if self.condition else dtypes[1:]
        if not self.condition and dtypes[0] != "bool":
            raise ValueError(
                f"select: expected a condition of bool, got {dtypes[0]}; "
                "compare it first"
            )
        kinds = (*values, *([self.constant_kind] if self.constant_kind else []))
        common = common_dtype(self.op, kinds, self.dtype)
        if common.startswith(("int", "uint")):
            for number in (*self.x, *self.y):
                if not np.iinfo(common).min <= number <= np.iinfo(common).max:
                    raise ValueError(f"select: a constant beyond {common}")
        return common

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """condition, and x and y unless they are numbers: (batch, ...)."""
        common = self.output_dtype(*(x.dtype.name for x in inputs))
        arrays = inputs
        if self.condition:
            constant = np.array(self.condition, bool).reshape(self.condition_shape)
            arrays = (constant, *inputs)
        tensors = list(broadcastable(self.op, arrays[1:]))
        broadcastable(self.op, arrays)
        operands = [
            np.array(number[0]).astype(common) if number else tensors.pop(0)
            for number in (self.x, self.y)
        ]
        x, y = (operand.astype(common, copy=False) for operand in operands)
        return np.where(arrays[0], x, y)

    def over_time(self, *shapes: Shape) -> str:
        """Per step, unless the condition is another along the time axis."""
        varies = self.condition and self._padded(len(shapes[0]))[1:2] not in ((), (1,))
        return ACROSS if varies else super().over_time(*shapes)


class Summed(Operation):
    """The sum of tensors of one shape and dtype, from the first to the last.

    ``tf.math.add_n``.
    """

    op = "summed"
    takes_several = True

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of all."""
        for sizes in zip(*shapes):
            if len({*sizes} - {None}) > 1:
                raise ValueError(f"summed: expected equal shapes, got {shapes}")
        return (broadcast_shape(self.op, shapes),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of all."""
        if len(set(dtypes)) > 1:
            raise ValueError(f"summed: {' and '.join(dtypes)} together")
        check_numbers(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Each x: (batch, ...)."""
        if len({x.shape for x in inputs}) > 1:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise InputError(f"summed: expected equal shapes, got {shapes}")
        with np.errstate(all="ignore"):
            return reduce(np.add, inputs[1:], inputs[0])


LAYERS = {layer.op: layer for layer in (Binary, Select, Summed)}
