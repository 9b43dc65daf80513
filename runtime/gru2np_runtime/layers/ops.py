"""Small operations, mostly those that masks are computed with.

Keras 3 writes them into its graphs as nodes of ``keras.ops``; for older Keras releases
the converter adds them.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layer import ACROSS, PER_STEP
from gru2np_runtime.layers.axes import (
    check_choice,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.operation import Operation, broadcast_shape, broadcastable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

NUMBERS = (
    "bool",
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64"),
)


class NotEqual(Operation):
    """``x != value``."""

    op = "not_equal"
    gives_dtype = "bool"
    compares_with = "value"
    value: float

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape and dtype, to bool."""
        x = inputs[0]
        # In the input's precision: float32's 0.1 must equal a value of 0.1.
        dtype = x.dtype.type if x.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):
            y: Array = x != dtype(self.value)
        return y


class Any(Operation):
    """Whether any element along the axes is true, or not 0."""

    op = "any"
    gives_dtype = "bool"
    axes: tuple[int, ...]
    keepdims: bool = False

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape without the axes; with ``keepdims``, 1 along them."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        sizes = [1 if i in axes else size for i, size in enumerate(shapes[0])]
        if not self.keepdims:
            sizes = [size for i, size in enumerate(sizes) if i not in axes]
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), to bool."""
        return np.asarray(np.any(inputs[0], self.axes, keepdims=self.keepdims))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the time axis is one of the axes."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Logical(Operation):
    """A logical operation on inputs whose shapes broadcast."""

    takes_several = True
    gives_dtype = "bool"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes, broadcast from the last axis on."""
        return (broadcast_shape(self.op, shapes),)


class LogicalAnd(Logical):
    """Whether all inputs are true, element by element."""

    op = "logical_and"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x0 and x1 and ..., to bool."""
        return reduce(np.logical_and, broadcastable(self.op, inputs))


class LogicalOr(Logical):
    """Whether any input is true, element by element."""

    op = "logical_or"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x0 or x1 or ..., to bool."""
        return reduce(np.logical_or, broadcastable(self.op, inputs))


class ExpandDims(Operation):
    """A new axis of size 1; ``axis`` is its position in the output."""

    op = "expand_dims"
    axis: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape with the new axis."""
        axis = normalize_axis(self.axis, len(shapes[0]) + 1)
        return ((*shapes[0][:axis], 1, *shapes[0][axis:]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.expand_dims(inputs[0], self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the time axis stays axis 1."""
        return per_step_unless_time_in([self.axis], len(shapes[0]) + 1)


class Filled(Operation):
    """An array of the input's shape, filled with one value.

    Args:
        number: dtype of the output; empty for the input's dtype.
    """

    reads_shape_alone = True
    number: str = ""

    def check(self) -> None:
        """``number`` is a known dtype, or empty."""
        check_choice(self.op, "number", self.number, ("", *NUMBERS))

    def result_dtype(self) -> str | None:
        """``number``; None: the input's dtype."""
        return self.number or None


class ZerosLike(Filled):
    """Zeros, or False, of the input's shape."""

    op = "zeros_like"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        return np.zeros(inputs[0].shape, self.number or inputs[0].dtype)


class OnesLike(Filled):
    """Ones, or True, of the input's shape."""

    op = "ones_like"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        return np.ones(inputs[0].shape, self.number or inputs[0].dtype)


class BroadcastTo(Operation):
    """The input broadcast to a shape; the batch and null sizes stay the input's."""

    op = "broadcast_to"
    shape: tuple[int | None, ...]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """``shape``, with the input's sizes for the batch and for null."""
        x, rank = shapes[0], len(self.shape)
        if len(x) != rank:
            raise ValueError(
                f"broadcast_to: expected an input of rank {rank} for the shape "
                f"{self.shape}, got {x}"
            )
        sizes = list(x[:1])
        for size, target in zip(x[1:], self.shape[1:]):
            if target is not None and size not in (None, 1, target):
                raise ValueError(
                    f"broadcast_to: expected an input that broadcasts to {self.shape}, "
                    f"got {x}"
                )
            sizes.append(size if target is None else target)
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        (shape,) = self.output_shapes(inputs[0].shape)
        return np.broadcast_to(inputs[0], [size or 0 for size in shape])

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the time axis keeps its size."""
        return PER_STEP if self.shape[1:2] == (None,) else ACROSS


# Half-precision dtypes: a cast rounds to them, but its output is float32.
HALVES = ("float16", "bfloat16")


def round_to_half(x: Array, half: str) -> Array:
    """float32 numbers rounded to float16 or bfloat16, to nearest, ties to even."""
    x = x.astype(np.float32)
    if half == "float16":
        return x.astype(np.float16).astype(np.float32)
    # bfloat16 is float32 without the lower 16 bits.
    bits = x.view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    kept = np.where(np.isnan(x), bits, nearest & np.uint32(0xFFFF0000))
    return kept.view(np.float32)


class Cast(Operation):
    """The input cast to the dtype ``number``; floats are truncated to integers.

    ``float16`` and ``bfloat16`` round to these dtypes and give float32.
    """

    op = "cast"
    number: str

    def check(self) -> None:
        """``number`` is a known dtype."""
        check_choice(self.op, "number", self.number, (*NUMBERS, *HALVES))

    def result_dtype(self) -> str | None:
        """``number``; float32 for half precision."""
        return "float32" if self.number in HALVES else self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.number in HALVES:
                return round_to_half(inputs[0], self.number)
            return inputs[0].astype(self.number)


class Where(Operation):
    """``x where mask else otherwise``, for a mask of time steps.

    Inputs: mask (batch, time, ...), with the first axes of x; x; and optionally y, of
    x's shape, instead of the constant ``otherwise``.
    """

    takes_several = True
    op = "where"
    otherwise: float = 0.0

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        if len(shapes) not in (2, 3) or len(shapes[0]) > len(shapes[1]):
            raise ValueError(
                "where: expected mask, x and optionally y, with a mask of no higher "
                f"rank than x; got {shapes}"
            )
        if len({len(shape) for shape in shapes[1:]}) > 1:
            raise ValueError(f"where: expected x and y of equal rank, got {shapes[1:]}")
        return (shapes[1],)

    def result_dtype(self) -> str | None:
        """The layer's dtype, because the first input is a mask."""
        return self.dtype

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """mask (batch, time, ...), x (batch, time, ...) and optionally y."""
        condition, x = inputs[0], inputs[1].astype(self.dtype, copy=False)
        y: Array = x.dtype.type(self.otherwise)
        if len(inputs) == 3:
            y = inputs[2].astype(self.dtype, copy=False)
        condition = condition.reshape(
            *condition.shape, *(1,) * (x.ndim - condition.ndim)
        )
        return np.where(condition, x, y)

    def over_time(self, *shapes: Shape) -> str:
        """Per step: the axes of the mask are the first axes of x."""
        return PER_STEP if len(shapes[0]) > 1 else ACROSS


LAYERS = {
    layer.op: layer
    for layer in (
        Any,
        BroadcastTo,
        Cast,
        ExpandDims,
        LogicalAnd,
        LogicalOr,
        NotEqual,
        OnesLike,
        Where,
        ZerosLike,
    )
}
