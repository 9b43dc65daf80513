"""The small operations that masks are made of.

Keras 3 writes them into its graphs as nodes of ``keras.ops``; for other Keras the
converter puts them there.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layer import ACROSS, POINTWISE
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
    compared = "value"
    value: float

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape and dtype, to bool."""
        x = inputs[0]
        # In the input's own precision: what is compared with 0.1 is float32's 0.1.
        kind = x.dtype.type if x.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):
            differs: Array = x != kind(self.value)
        return differs


class Any(Operation):
    """Whether anything along these axes is true, or not 0."""

    op = "any"
    gives_dtype = "bool"
    axes: tuple[int, ...]
    keepdims: bool = False

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Without the axes, or with size 1."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        kept = [1 if i in axes else size for i, size in enumerate(shapes[0])]
        if not self.keepdims:
            kept = [size for i, size in enumerate(kept) if i not in axes]
        return (tuple(kept),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), to bool."""
        return np.asarray(np.any(inputs[0], self.axes, keepdims=self.keepdims))

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but along time."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Logical(Operation):
    """An operation on booleans of shapes that fit together."""

    takes_several = True
    gives_dtype = "bool"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shapes, broadcast from the last axis on."""
        return (broadcast_shape(self.op, shapes),)


class LogicalAnd(Logical):
    """Whether all of them."""

    op = "logical_and"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x0 and x1 and ..., to bool."""
        return reduce(np.logical_and, broadcastable(self.op, inputs))


class LogicalOr(Logical):
    """Whether any of them."""

    op = "logical_or"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x0 or x1 or ..., to bool."""
        return reduce(np.logical_or, broadcastable(self.op, inputs))


class ExpandDims(Operation):
    """A new axis of size 1, at this place in the output."""

    op = "expand_dims"
    axis: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """One axis more."""
        axis = normalize_axis(self.axis, len(shapes[0]) + 1)
        return ((*shapes[0][:axis], 1, *shapes[0][axis:]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.expand_dims(inputs[0], self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time stays axis 1."""
        return per_step_unless_time_in([self.axis], len(shapes[0]) + 1)


class Filled(Operation):
    """An array of the input's shape, of one value.

    Args:
        number: dtype of the output; empty for the input's own.
    """

    reads_shape_alone = True
    number: str = ""

    def check(self) -> None:
        """The dtype is known."""
        check_choice(self.op, "number", self.number, ("", *NUMBERS))

    def result_dtype(self) -> str | None:
        """The dtype asked for, if one was."""
        return self.number or None


class ZerosLike(Filled):
    """Zeros, or False."""

    op = "zeros_like"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        return np.zeros(inputs[0].shape, self.number or inputs[0].dtype)


class OnesLike(Filled):
    """Ones, or True."""

    op = "ones_like"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        return np.ones(inputs[0].shape, self.number or inputs[0].dtype)


class BroadcastTo(Operation):
    """The input repeated to a shape; the batch, and where it says null, as it is."""

    op = "broadcast_to"
    shape: tuple[int | None, ...]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape, with the input's sizes in place of null."""
        x, rank = shapes[0], len(self.shape)
        if len(x) != rank:
            raise ValueError(f"broadcast_to: {x} to another rank, {self.shape}")
        sizes = list(x[:1])
        for have, want in zip(x[1:], self.shape[1:]):
            if want is not None and have not in (None, 1, want):
                raise ValueError(f"broadcast_to: {x} to {self.shape}")
            sizes.append(have if want is None else want)
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        (shape,) = self.output_shapes(inputs[0].shape)
        return np.broadcast_to(inputs[0], [size or 0 for size in shape])

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where it leaves the time axis alone."""
        return POINTWISE if self.shape[1:2] == (None,) else ACROSS


# The types that a cast rounds to, without giving them.
HALVES = ("float16", "bfloat16")


def rounded(x: Array, half: str) -> Array:
    """float32, rounded to half precision: to the nearest, of two to the even one."""
    x = x.astype(np.float32)
    if half == "float16":
        return x.astype(np.float16).astype(np.float32)
    # bfloat16 is float32 without the last 16 bits.
    bits = x.view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    kept = np.where(np.isnan(x), bits, nearest & np.uint32(0xFFFF0000))
    return kept.view(np.float32)


class Cast(Operation):
    """The numbers as another dtype, ``number``; floats are cut off to integers.

    ``float16`` and ``bfloat16`` round and give float32.
    """

    op = "cast"
    number: str

    def check(self) -> None:
        """The dtype is known."""
        check_choice(self.op, "number", self.number, (*NUMBERS, *HALVES))

    def result_dtype(self) -> str | None:
        """The dtype asked for."""
        return "float32" if self.number in HALVES else self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.number in HALVES:
                return rounded(inputs[0], self.number)
            return inputs[0].astype(self.number)


class Where(Operation):
    """``x where mask else otherwise``, for a mask of each time step.

    Inputs: mask (batch, time, ...), of x's first axes; x; and, in place of the
    constant, y of x's shape.
    """

    takes_several = True
    op = "where"
    otherwise: float = 0.0

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        if len(shapes) not in (2, 3) or len(shapes[0]) > len(shapes[1]):
            raise ValueError(f"where: expected mask, x and perhaps y, got {shapes}")
        if len({len(shape) for shape in shapes[1:]}) > 1:
            raise ValueError(f"where: x and y differ in rank, {shapes[1:]}")
        return (shapes[1],)

    def result_dtype(self) -> str | None:
        """That of the layer; the first input is a mask."""
        return self.dtype

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """mask, x and perhaps y."""
        condition, x = inputs[0], inputs[1].astype(self.dtype, copy=False)
        y: Array = x.dtype.type(self.otherwise)
        if len(inputs) == 3:
            y = inputs[2].astype(self.dtype, copy=False)
        condition = condition.reshape(
            *condition.shape, *(1,) * (x.ndim - condition.ndim)
        )
        return np.where(condition, x, y)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise: the mask's axes are x's first ones."""
        return POINTWISE if len(shapes[0]) > 1 else ACROSS


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
