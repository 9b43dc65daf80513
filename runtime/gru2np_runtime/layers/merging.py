"""Layers that merge several tensors into one.

Keras 2 and 3 insert axes of size 1 after the batch axis of inputs of lower rank
(``keras/src/layers/merging/base_merge.py``), and then broadcast.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, PER_STEP, Layer, no_products
from gru2np_runtime.layers.axes import normalize_axis, per_step_unless_time_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape


class Merge(Layer):
    """Base of the elementwise merges.

    Integers stay integers, in a dtype that holds those of all inputs; with a float
    input they become floats.
    """

    takes_several = True
    keeps_integers = True
    # The number of inputs; 0: any number.
    count = 0
    independent_rows = True
    multiply_adds = no_products

    def combine(self, inputs: Sequence[Array]) -> Array:
        """The merge of arrays of equal rank and dtype."""
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
        """The layer's dtype; for integers alone see ``merged_dtype``."""
        return merged_dtype(self, dtypes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...), which broadcast to each other."""
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
        """Per step, unless axis 1 of an input of lower rank may be the time axis.

        It would not stay axis 1.
        """
        highest = max(shapes, key=len)
        for shape in shapes:
            lower = len(shape) < len(highest)
            if lower and len(shape) > 1 and shape[1] in (None, highest[1]):
                return ACROSS
        return PER_STEP


class Add(Merge):
    """The sum of the inputs."""

    op = "add"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 + x1 + ..."""
        return reduce(np.add, inputs)


class Subtract(Merge):
    """The difference of two inputs."""

    op = "subtract"
    count = 2

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 - x1."""
        return inputs[0] - inputs[1]


class Multiply(Merge):
    """The elementwise product of the inputs."""

    op = "multiply"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """x0 * x1 * ..."""
        return reduce(np.multiply, inputs)


class Average(Merge):
    """The mean of the inputs."""

    op = "average"
    keeps_integers = False

    def combine(self, inputs: Sequence[Array]) -> Array:
        """(x0 + x1 + ...) / n."""
        return reduce(np.add, inputs) / len(inputs)


class Maximum(Merge):
    """The elementwise maximum of the inputs."""

    op = "maximum"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """max(x0, x1, ...)."""
        return reduce(np.maximum, inputs)


class Minimum(Merge):
    """The elementwise minimum of the inputs."""

    op = "minimum"

    def combine(self, inputs: Sequence[Array]) -> Array:
        """min(x0, x1, ...)."""
        return reduce(np.minimum, inputs)


class Concatenate(Layer):
    """The inputs concatenated along an axis."""

    takes_several = True
    op = "concatenate"
    keeps_dtype = True
    independent_rows = True
    multiply_adds = no_products
    axis: int = -1

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sum of the sizes along the axis; other sizes must be equal."""
        check_count(0, shapes)
        rank = len(shapes[0])
        axis = normalize_axis(self.axis, rank)
        if any(len(shape) != rank for shape in shapes):
            raise ValueError(
                f"expected inputs of equal rank, got {', '.join(map(str, shapes))}"
            )
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
        """The layer's dtype; for integers alone see ``merged_dtype``."""
        return merged_dtype(self, dtypes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Inputs: (batch, ...), of equal sizes but along the axis."""
        try:
            return np.concatenate(to_merged_dtype(self, inputs), axis=self.axis)
        except ValueError:
            raise shape_mismatch(self.op, inputs) from None

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the axis is the time axis."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


def merged_dtype(layer: Layer, dtypes: Sequence[str]) -> str:
    """The common dtype of the inputs of a merge, as in Keras 3.

    The layer's dtype if any input is a float; integers alone are promoted to a common
    integer dtype, if the layer keeps integers.
    """
    keeps_integers = layer.keeps_dtype or layer.keeps_integers
    if not keeps_integers or any(dtype.startswith("float") for dtype in dtypes):
        return layer.dtype
    return str(np.result_type(*dtypes))


def to_merged_dtype(layer: Layer, inputs: Sequence[Array]) -> Sequence[Array]:
    """The inputs of a merge, cast to their ``merged_dtype`` if their dtypes differ."""
    if all(x.dtype == inputs[0].dtype for x in inputs):
        return inputs
    dtype = merged_dtype(layer, [x.dtype.name for x in inputs])
    return [x.astype(dtype, copy=False) for x in inputs]


def common_size(sizes: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    """The one known size among these; None if all are None.

    Raises:
        ValueError: known sizes differ.
    """
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        shown = ", ".join(map(str, shapes))
        raise ValueError(f"inputs of shapes {shown} do not fit together")
    return known.pop() if known else None


def check_count(count: int, shapes: Sequence[Shape]) -> None:
    """Raise ``ValueError`` unless there are ``count`` inputs; 0: one or more."""
    if not shapes or count not in (0, len(shapes)):
        raise ValueError(f"expected {count or '1 or more'} inputs, got {len(shapes)}")


def _broadcast(sizes: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    """The broadcast of these sizes; None only if no size but 1 is known.

    Raises:
        ValueError: the sizes do not broadcast.
    """
    not_one = {size for size in sizes if size != 1}
    known = not_one - {None}
    if len(known) > 1:
        shown = ", ".join(map(str, shapes))
        raise ValueError(f"inputs of shapes {shown} do not fit together")
    if known:
        return known.pop()
    return None if not_one else 1


def shape_mismatch(op: str, inputs: Sequence[Array]) -> InputError:
    """The error for inputs whose shapes do not fit together."""
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
