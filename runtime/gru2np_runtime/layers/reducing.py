"""Functions that make one number of all along some axes, and products of matrices."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS
from gru2np_runtime.layers.axes import (
    check_choice,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.operation import (
    Operation,
    broadcast_shape,
    check_floats,
    check_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes


def _logsumexp(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    largest: Array = x.max(axis=axes, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, largest.dtype.type(0))
    total: Array = np.exp(x - shift).sum(axis=axes, keepdims=True)
    result: Array = np.log(total) + shift
    return result if keepdims else np.squeeze(result, axes)


def _all(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.all(x, axis=axes, keepdims=keepdims))


def _of(function: Callable[..., Any]) -> Callable[..., Array]:
    def call(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        return np.asarray(function(x, axis=axes, keepdims=keepdims))

    return call


def _totals(function: Callable[..., Any]) -> Callable[..., Array]:
    def call(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        # NumPy would count small whole numbers in larger ones.
        dtype = None if x.dtype.kind == "f" else x.dtype
        return np.asarray(function(x, axis=axes, keepdims=keepdims, dtype=dtype))

    return call


OF_NUMBERS = {
    "max": _of(np.max),
    "min": _of(np.min),
    "prod": _totals(np.prod),
    "sum": _totals(np.sum),
}
OF_FLOATS = {
    "logsumexp": _logsumexp,
    "mean": _of(np.mean),
    "std": _of(np.std),
    "var": _of(np.var),
}
REDUCTIONS: dict[str, Callable[..., Array]] = {**OF_NUMBERS, **OF_FLOATS, "all": _all}
# Sums and products of smaller ones are larger numbers in some Kerases only.
WHOLE = ("int32", "int64")


class Reduction(Operation):
    """One number of all along the axes, which do not hold the batch.

    Args:
        function: one of ``REDUCTIONS``; ``std`` and ``var`` divide by how many there
            are.
        axes: counted from either end.
        keepdims: leave the axes, with size 1.
    """

    op = "reduction"
    function: str
    axes: tuple[int, ...]
    keepdims: bool = False

    def check(self) -> None:
        """The function is known, and there are axes."""
        check_choice(self.op, "function", self.function, tuple(REDUCTIONS))
        if not self.axes:
            raise ValueError("reduction: axes is empty")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Without the axes, or with size 1."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        if len(axes) < len(self.axes):
            raise ValueError(f"{self.function}: an axis twice in {self.axes}")
        kept = [1 if i in axes else size for i, size in enumerate(shapes[0])]
        if not self.keepdims:
            kept = [size for i, size in enumerate(kept) if i not in axes]
        return (tuple(kept),)

    def output_dtype(self, *dtypes: str) -> str:
        """That of the input; bool of ``all``."""
        if self.function == "all":
            return "bool"
        if self.function in OF_FLOATS:
            check_floats(self.function, dtypes[0])
        check_numbers(self.function, dtypes[0])
        whole = not dtypes[0].startswith("float")
        if whole and self.function in ("prod", "sum") and dtypes[0] not in WHOLE:
            raise ValueError(f"{self.function} of {dtypes[0]} is not supported")
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        self.output_dtype(inputs[0].dtype.name)
        with np.errstate(all="ignore"):
            return REDUCTIONS[self.function](inputs[0], self.axes, self.keepdims)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but along time."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Matmul(Operation):
    """Products of the matrices in the last two axes, sample by sample.

    Args:
        transpose_first: take the first one's matrices transposed.
        transpose_second: the same for the second.
    """

    op = "matmul"
    takes_several = True
    transpose_first: bool = False
    transpose_second: bool = False

    def _turned(self, shapes: tuple[Shape, ...]) -> list[Shape]:
        turns = (self.transpose_first, self.transpose_second)
        return [
            (*shape[:-2], shape[-1], shape[-2]) if turn else shape
            for shape, turn in zip(shapes, turns)
        ]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., rows of the first, columns of the second)."""
        if len(shapes) != 2 or any(len(shape) < 3 for shape in shapes):
            raise ValueError(f"matmul: expected two inputs of rank 3, got {shapes}")
        x, y = self._turned(shapes)
        known = {x[-1], y[-2]} - {None}
        if len(known) > 1:
            raise ValueError(f"matmul: shapes {shapes} do not fit together")
        return ((*broadcast_shape(self.op, (x[:-2], y[:-2])), x[-2], y[-1]),)

    def output_dtype(self, *dtypes: str) -> str:
        """That of both."""
        if len(set(dtypes)) > 1:
            raise ValueError(f"matmul: {' and '.join(dtypes)} are not supported")
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x (batch, ..., n, k), y (batch, ..., k, m), each perhaps transposed."""
        x, y = inputs
        if self.transpose_first:
            x = x.swapaxes(-1, -2)
        if self.transpose_second:
            y = y.swapaxes(-1, -2)
        try:
            return np.asarray(np.matmul(x, y))
        except ValueError:
            raise InputError(
                f"matmul: inputs of shapes {inputs[0].shape} and {inputs[1].shape} "
                "do not fit together"
            ) from None

    def over_time(self, *shapes: Shape) -> str:
        """Every time step of the one meets all of the other."""
        return ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """As long a sum for every number of the output."""
        return prod(outputs[0]) * inputs[0][-2 if self.transpose_first else -1]


LAYERS = {layer.op: layer for layer in (Matmul, Reduction)}
