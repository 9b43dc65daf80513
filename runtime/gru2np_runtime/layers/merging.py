"""Layers that make one tensor of several.

Keras 2 and 3 alike put axes of size 1 behind the batch axis of inputs of lower rank
(``keras/src/layers/merging/base_merge.py``), and broadcast from there.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, POINTWISE, Layer, no_products
from gru2np_runtime.layers.axes import normalize_axis, per_step_unless_time_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape


class Merge(Layer):
    """A merge element by element.

    Whole numbers stay what they are, in the type that holds those of all inputs;
    beside floating point numbers they become such.
    """

    takes_several = True
    keeps_whole = True
    # How many inputs it takes; 0 for any number.
    count = 0
    rows_apart = True
    multiply_adds = no_products

    def combine(self, inputs: Sequence[Array]) -> Array:
        """The merge of arrays of one rank."""
        raise NotImplementedError

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes, broadcast."""
        check_count(self.count, shapes)
        rank = max(len(shape) for shape in shapes)
        aligned = [
            (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes
        ]
        return (tuple(_broadcast(sizes, shapes) for sizes in zip(*aligned)),)

    def output_dtype(self, *dtypes: str) -> str:
        """That of the layer, or a whole number's."""
        return merged_dtype(self, dtypes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...)."""
        rank = max(x.ndim for x in inputs)
        aligned = [
            x.reshape(*x.shape[:1], *(1,) * (rank - x.ndim), *x.shape[1:])
            for x in to_merged_dtype(self, inputs)
        ]
        if any(x.shape != aligned[0].shape for x in aligned):
            try:
                np.broadcast_shapes(*(x.shape for x in aligned))
            except ValueError:
                raise shape_mismatch(self.op, inputs) from None
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
    keeps_whole = False

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
    rows_apart = True
    multiply_adds = no_products
    axis: int = -1

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes along the axis added up, the others equal."""
        check_count(0, shapes)
        rank = len(shapes[0])
        axis = normalize_axis(self.axis, rank)
        if any(len(shape) != rank for shape in shapes):
            raise ValueError(f"inputs differ in rank: {', '.join(map(str, shapes))}")
        size: int | None = 0
        for shape in shapes:
            along = shape[axis]
            size = None if size is None or along is None else size + along
        sizes = [
            common_size(each, shapes) if i != axis else size
            for i, each in enumerate(zip(*shapes))
        ]
        return (tuple(sizes),)

    def output_dtype(self, *dtypes: str) -> str:
        """That of the layer, or a whole number's."""
        return merged_dtype(self, dtypes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...)."""
        try:
            return np.concatenate(to_merged_dtype(self, inputs), axis=self.axis)
        except ValueError:
            raise shape_mismatch(self.op, inputs) from None

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but along time."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


def merged_dtype(layer: Layer, dtypes: Sequence[str]) -> str:
    """The dtype in which inputs of a merge meet, as Keras 3 has it.

    Floating point numbers are those of the layer, and whole ones beside them become
    such; whole numbers alone keep the larger type.
    """
    kept = layer.keeps_dtype or layer.keeps_whole
    if not kept or any(dtype.startswith("float") for dtype in dtypes):
        return layer.dtype
    return str(np.result_type(*dtypes))


def to_merged_dtype(layer: Layer, inputs: Sequence[Array]) -> Sequence[Array]:
    """The inputs of a merge, in the dtype in which they meet."""
    if all(x.dtype == inputs[0].dtype for x in inputs):
        return inputs
    dtype = merged_dtype(layer, [x.dtype.name for x in inputs])
    return [x.astype(dtype, copy=False) for x in inputs]


def common_size(sizes: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    """The one size that is known among these, which must be equal."""
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        raise ValueError(f"inputs of shapes {', '.join(map(str, shapes))} do not fit")
    return known.pop() if known else None


def check_count(count: int, shapes: Sequence[Shape]) -> None:
    """Raise ``ValueError`` for other than ``count`` inputs; 0 is any number."""
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


def shape_mismatch(op: str, inputs: Sequence[Array]) -> InputError:
    """The error of inputs whose shapes do not fit together."""
    shapes = ", ".join(str(x.shape) for x in inputs)
    return InputError(f"{op}: inputs of shapes {shapes} do not fit together")


LAYERS = {
    layer.op: layer
    for layer in (
        Add,
        Average,
        Concatenate,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
    )
}
