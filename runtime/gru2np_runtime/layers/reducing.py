"""Reductions over axes, and matrix products."""

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


def _reduce(function: Callable[..., Any]) -> Callable[..., Array]:
    def call(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        return np.asarray(function(x, axis=axes, keepdims=keepdims))

    return call


def _accumulate(function: Callable[..., Any]) -> Callable[..., Array]:
    def call(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        # NumPy would promote small integer dtypes.
        dtype = None if x.dtype.kind == "f" else x.dtype
        return np.asarray(function(x, axis=axes, keepdims=keepdims, dtype=dtype))

    return call


OF_NUMBERS = {
    "max": _reduce(np.max),
    "min": _reduce(np.min),
    "prod": _accumulate(np.prod),
    "sum": _accumulate(np.sum),
}
OF_FLOATS = {
    "logsumexp": _logsumexp,
    "mean": _reduce(np.mean),
    "median": _reduce(np.median),
    "std": _reduce(np.std),
    "var": _reduce(np.var),
}
REDUCTIONS: dict[str, Callable[..., Array]] = {**OF_NUMBERS, **OF_FLOATS, "all": _all}
# Only some Keras releases promote sums and products of smaller integers.
NOT_PROMOTED = ("int32", "int64")


class Reduction(Operation):
    """A reduction over axes other than the batch.

    Args:
        function: one of ``REDUCTIONS``; ``std`` and ``var`` divide by n, not n - 1.
        axes: the axes; negative ones count from the end.
        keepdims: keep the axes, with size 1.
    """

    op = "reduction"
    function: str
    axes: tuple[int, ...]
    keepdims: bool = False

    def check(self) -> None:
        """The function is known, and there is at least one axis."""
        check_choice(self.op, "function", self.function, tuple(REDUCTIONS))
        if not self.axes:
            raise ValueError("reduction: axes is empty")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape without the axes; with ``keepdims``, 1 along them."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        if len(axes) < len(self.axes):
            raise ValueError(
                f"{self.function}: expected different axes, got {self.axes}"
            )
        sizes = [1 if i in axes else size for i, size in enumerate(shapes[0])]
        if not self.keepdims:
            sizes = [size for i, size in enumerate(sizes) if i not in axes]
        return (tuple(sizes),)

    def output_dtype(self, *dtypes: str) -> str:
        """The input's dtype; bool for ``all``."""
        if self.function == "all":
            return "bool"
        if self.function in OF_FLOATS:
            check_floats(self.function, dtypes[0])
        check_numbers(self.function, dtypes[0])
        integer = not dtypes[0].startswith("float")
        promoted = integer and dtypes[0] not in NOT_PROMOTED
        if promoted and self.function in ("prod", "sum"):
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
        """Per step unless the time axis is one of the axes."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Matmul(Operation):
    """Products of the matrices in the last two axes.

    Args:
        transpose_first: transpose the matrices of the first input.
        transpose_second: transpose the matrices of the second input.
    """

    op = "matmul"
    takes_several = True
    transpose_first: bool = False
    transpose_second: bool = False

    def _transposed(self, shapes: tuple[Shape, ...]) -> list[Shape]:
        flags = (self.transpose_first, self.transpose_second)
        return [
            (*shape[:-2], shape[-1], shape[-2]) if flag else shape
            for shape, flag in zip(shapes, flags)
        ]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., rows of the first, columns of the second)."""
        if len(shapes) != 2 or any(len(shape) < 3 for shape in shapes):
            raise ValueError(
                f"matmul: expected two inputs of rank 3 or more, got {shapes}"
            )
        x, y = self._transposed(shapes)
        known = {x[-1], y[-2]} - {None}
        if len(known) > 1:
            raise ValueError(f"matmul: shapes {shapes} do not fit together")
        return ((*broadcast_shape(self.op, (x[:-2], y[:-2])), x[-2], y[-1]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of both inputs, which must be the same float."""
        if len(set(dtypes)) > 1:
            raise ValueError(
                f"matmul: {' and '.join(dtypes)} together are not supported"
            )
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x (batch, ..., n, k), y (batch, ..., k, m), before transposing."""
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
        """All time steps at once."""
        return ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Elements of the output times k."""
        return prod(outputs[0]) * inputs[0][-2 if self.transpose_first else -1]


LAYERS = {layer.op: layer for layer in (Matmul, Reduction)}
