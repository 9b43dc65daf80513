"""Layers that make one tensor of several.

Keras 2 and 3 alike put axes of size 1 behind the batch axis of inputs of lower rank
(``keras/src/layers/merging/base_merge.py``), and broadcast from there.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._errors import InputError, Unsupported
from gru2np_runtime._layer import ACROSS, POINTWISE, Layer
from gru2np_runtime.layers._axes import apart_from_time, axis_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime._layer import Array, Shape


class Merge(Layer):
    """A merge element by element."""

    takes_several = True
    # How many inputs it takes; 0 for any number.
    count = 0

    def combine(self, inputs: Sequence[Array]) -> Array:
        """The merge of arrays of one rank."""
        raise NotImplementedError

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes, broadcast."""
        _check_count(self.count, shapes)
        rank = max(len(shape) for shape in shapes)
        aligned = [
            (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes
        ]
        return (tuple(_broadcast(sizes, shapes) for sizes in zip(*aligned)),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...)."""
        rank = max(x.ndim for x in inputs)
        aligned = [
            x.reshape(*x.shape[:1], *(1,) * (rank - x.ndim), *x.shape[1:])
            for x in inputs
        ]
        if any(x.shape != aligned[0].shape for x in aligned):
            try:
                np.broadcast_shapes(*(x.shape for x in aligned))
            except ValueError:
                raise _misfit(self.op, inputs) from None
        return self.combine(aligned)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise, unless the axis 1 of a lower rank may be time: it moves away."""
        longest = max(shapes, key=len)
        for shape in shapes:
            lower = len(shape) < len(longest)
            if lower and len(shape) > 1 and shape[1] in (None, longest[1]):
                return ACROSS
        return POINTWISE


class Add(Merge):
    """The sum."""

    op = "add"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 + x1 + ..."""
        return reduce(np.add, inputs)


class Subtract(Merge):
    """The difference of two."""

    op = "subtract"
    count = 2

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 - x1."""
        return inputs[0] - inputs[1]


class Multiply(Merge):
    """The product."""

    op = "multiply"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 * x1 * ..."""
        return reduce(np.multiply, inputs)


class Average(Merge):
    """The mean."""

    op = "average"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """(x0 + x1 + ...) / n."""
        return reduce(np.add, inputs) / len(inputs)


class Maximum(Merge):
    """The largest."""

    op = "maximum"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """max(x0, x1, ...)."""
        return reduce(np.maximum, inputs)


class Minimum(Merge):
    """The smallest."""

    op = "minimum"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """min(x0, x1, ...)."""
        return reduce(np.minimum, inputs)


class Concatenate(Layer):
    """Inputs one behind the other along an axis."""

    takes_several = True
    op = "concatenate"
    keeps_dtype = True
    axis: int = -1

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes along the axis added up, the others equal."""
        _check_count(0, shapes)
        rank = len(shapes[0])
        axis = axis_of(self.axis, rank)
        if any(len(shape) != rank for shape in shapes):
            raise ValueError(f"inputs differ in rank: {', '.join(map(str, shapes))}")
        size: int | None = 0
        for shape in shapes:
            along = shape[axis]
            size = None if size is None or along is None else size + along
        sizes = [
            _equal(each, shapes) if i != axis else size
            for i, each in enumerate(zip(*shapes))
        ]
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...)."""
        try:
            return np.concatenate(inputs, axis=self.axis)
        except ValueError:
            raise _misfit(self.op, inputs) from None

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but along time."""
        return apart_from_time([self.axis], len(shapes[0]))


class Dot(Layer):
    """Sums of products over one axis of each of two inputs, sample by sample.

    The output has the other axes of the first input, then those of the second.

    Args:
        axes: the axis of the first input, the axis of the second.
        normalize: make vectors along these axes unit vectors first.
        any_rank: above 3 too, where Keras before 3 multiplied otherwise.
    """

    takes_several = True
    op = "dot"
    axes: tuple[int, ...]
    normalize: bool = False
    any_rank: bool = False

    def check(self) -> None:
        """There are two axes."""
        if len(self.axes) != 2:
            raise ValueError(f"dot: axes is {self.axes}, expected two")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, rest of the first, rest of the second), at least (batch, 1)."""
        _check_count(2, shapes)
        most = max(map(len, shapes)) if self.any_rank else 3
        if not all(2 <= len(shape) <= most for shape in shapes):
            raise Unsupported(
                f"dot: expected inputs of rank 2 or 3, got {shapes[0]} and {shapes[1]}"
            )
        axes = [axis_of(a, len(shape)) for a, shape in zip(self.axes, shapes)]
        _equal([shape[a] for a, shape in zip(axes, shapes)], shapes)
        rest = [
            size
            for axis, shape in zip(axes, shapes)
            for i, size in enumerate(shape)
            if i not in (0, axis)
        ]
        return ((shapes[0][0], *(rest or [1])),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, y: (batch, n) or (batch, n, ...) in any order of n and the rest."""
        x, y = inputs
        if self.normalize:
            x, y = (_unit(array, axis) for array, axis in zip(inputs, self.axes))
        x = np.moveaxis(x, self.axes[0], -1)
        y = np.moveaxis(y, self.axes[1], 1)
        rest = (*x.shape[1:-1], *y.shape[2:])
        rows = x.reshape(x.shape[0], prod(x.shape[1:-1]), x.shape[-1])
        columns = y.reshape(*y.shape[:2], prod(y.shape[2:]))
        if rows.shape[2] != columns.shape[1]:
            raise _misfit(self.op, inputs)
        product: Array = rows @ columns
        return product.reshape(x.shape[0], *(rest or [1]))


class Cosine(Layer):
    """The cosine of the angle between two vectors, sample by sample.

    Keras 1.2 ``keras/engine/topology.py``, Merge in mode ``cos``.
    """

    takes_several = True
    op = "cosine"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, 1, 1)."""
        _check_count(2, shapes)
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(
                f"cosine: expected inputs of rank 2, got {shapes[0]} and {shapes[1]}"
            )
        _equal([shape[1] for shape in shapes], shapes)
        return ((shapes[0][0], 1, 1),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, y: (batch, n)."""
        x, y = inputs
        if x.shape[1] != y.shape[1]:
            raise _misfit(self.op, inputs)
        lengths = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
        cosine: Array = (x * y).sum(axis=1) / np.maximum(lengths, 1e-8)
        return cosine[:, None, None]


def _unit(x: Array, axis: int) -> Array:
    """X with vectors of length 1 along the axis; those near 0 stay near 0.

    The bound is that of Keras 2, ``tf.math.l2_normalize``; Keras 3's is 1e-7 for the
    length itself, which no other vectors notice.
    """
    with np.errstate(over="ignore"):
        square = (x * x).sum(axis=axis, keepdims=True)
    unit: Array = x / np.sqrt(np.maximum(square, 1e-12))
    return unit


def _equal(sizes: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    """The one size that is known among these, which must be equal."""
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        raise ValueError(f"inputs of shapes {', '.join(map(str, shapes))} do not fit")
    return known.pop() if known else None


def _check_count(count: int, shapes: Sequence[Shape]) -> None:
    if not shapes or count not in (0, len(shapes)):
        raise ValueError(f"expected {count or 'some'} inputs, got {len(shapes)}")


def _broadcast(sizes: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    """The size that these sizes have together; an unknown one yields to a known one."""
    several = {size for size in sizes if size != 1}
    known = several - {None}
    if len(known) > 1:
        raise ValueError(f"inputs of shapes {', '.join(map(str, shapes))} do not fit")
    if known:
        return known.pop()
    return None if several else 1


def _misfit(op: str, inputs: Sequence[Array]) -> InputError:
    shapes = ", ".join(str(x.shape) for x in inputs)
    return InputError(f"{op}: inputs of shapes {shapes} do not fit together")


LAYERS = {
    layer.op: layer
    for layer in (
        Add,
        Average,
        Concatenate,
        Cosine,
        Dot,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
    )
}
