"""Operations that pick elements by their indices, and vectors of zeros and a one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, PER_STEP
from gru2np_runtime.layers.axes import (
    check_choice,
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.operation import Operation, broadcast_shape, broadcastable
from gru2np_runtime.layers.ops import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

INDICES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def checked(op: str, indices: Array, size: int, *, from_end: bool) -> Array:
    """The indices, those below 0 counted from the end.

    Raises:
        InputError: one is outside of the axis, for which backends give an error, zeros
            or NaN.
    """
    least = -size if from_end else 0
    if indices.size and not least <= indices.min() <= indices.max() < size:
        raise InputError(
            f"{op}: expected indices from {least} to {size - 1}, got "
            f"{indices.min()} to {indices.max()}"
        )
    return np.where(indices < 0, indices + size, indices)


def check_indices(op: str, dtype: str) -> None:
    """Raise ``ValueError`` for indices that are no integers."""
    if dtype not in INDICES:
        raise ValueError(f"{op}: expected indices of an integer dtype, got {dtype}")


class Take(Operation):
    """Elements along an axis by constant indices.

    ``keras/src/ops/numpy.py``, Take; ``tf.gather``.

    Args:
        axis: the axis, not the batch.
        indices: in C order.
        indices_shape: their shape, which replaces the axis; empty for one index.
        from_end: indices below 0 count from the end.
    """

    op = "take"
    axis: int
    indices: tuple[int, ...]
    indices_shape: tuple[int, ...] = ()
    from_end: bool = False

    def check(self) -> None:
        """The indices fit their shape."""
        if prod(self.indices_shape) != len(self.indices) or not self.indices:
            raise ValueError(
                f"take: {len(self.indices)} indices for the shape {self.indices_shape}"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x, the axis replaced by the shape of the indices."""
        axis = normalize_axis(self.axis, len(shapes[0]))
        size = shapes[0][axis]
        if size is not None:
            checked(self.op, np.array(self.indices), size, from_end=self.from_end)
        before, after = shapes[0][:axis], shapes[0][axis + 1 :]
        return ((*before, *self.indices_shape, *after),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        indices = checked(
            self.op,
            np.array(self.indices, np.intp),
            x.shape[self.axis],
            from_end=self.from_end,
        )
        return np.asarray(np.take(x, indices.reshape(self.indices_shape), self.axis))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless steps are picked."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class Pick(Operation):
    """Elements along an axis by the indices of each sample.

    ``tf.gather`` with ``batch_dims``: both inputs share their first axes.

    Args:
        axis: the axis of x.
        shared: the number of axes that x and the indices share, the batch included.
        from_end: indices below 0 count from the end.
    """

    op = "pick"
    takes_several = True
    axis: int
    shared: int
    from_end: bool = False

    def check(self) -> None:
        """The batch is shared."""
        check_minimum(self.op, "shared", [self.shared], 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(shared, axes of x before the axis, of the indices, of x after it)."""
        if len(shapes) != 2:
            raise ValueError(f"pick: expected x and indices, got {len(shapes)} inputs")
        x, indices = shapes
        axis = normalize_axis(self.axis, len(x))
        if not self.shared <= min(axis, len(indices)):
            raise ValueError(
                f"pick: expected {self.shared} shared axes before axis {axis}, "
                f"got {x} and {indices}"
            )
        n = self.shared
        for pair in zip(x[:n], indices[:n]):
            if None not in pair and pair[0] != pair[1]:
                raise InputError(f"pick: shapes {x} and {indices} do not fit together")
        return ((*x[:axis], *indices[n:], *x[axis + 1 :]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x."""
        check_indices(self.op, dtypes[1])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x (shared, ..., n, ...) and indices (shared, ...)."""
        x, indices = inputs
        (shape,) = self.output_shapes(x.shape, indices.shape)
        axis = self.axis % x.ndim
        size, n = x.shape[axis], self.shared
        indices = checked(self.op, indices, size, from_end=self.from_end)
        rows = x.reshape(
            prod(x.shape[:n]), prod(x.shape[n:axis]), size, prod(x.shape[axis + 1 :])
        )
        found = indices.reshape(len(rows), 1, prod(indices.shape[n:]), 1)
        y = np.take_along_axis(rows, found, 2)
        return np.asarray(y.reshape([size or 0 for size in shape]))

    def over_time(self, *shapes: Shape) -> str:
        """Per step where time is shared."""
        return PER_STEP if self.shared > 1 and len(shapes[0]) > 2 else ACROSS


class TakeAlong(Operation):
    """Elements along an axis by indices of as many axes as x.

    ``keras/src/ops/numpy.py``, TakeAlongAxis; the other axes are broadcast.
    """

    op = "take_along"
    takes_several = True
    axis: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shapes broadcast, with the size of the indices along the axis."""
        if len(shapes) != 2 or len(shapes[0]) != len(shapes[1]):
            raise ValueError(f"take_along: expected equal ranks, got {shapes}")
        axis = normalize_axis(self.axis, len(shapes[0]))
        rest = [(*shape[:axis], *shape[axis + 1 :]) for shape in shapes]
        sizes = broadcast_shape(self.op, rest)
        return ((*sizes[:axis], shapes[1][axis], *sizes[axis:]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x."""
        check_indices(self.op, dtypes[1])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x and indices: (batch, ...)."""
        x, indices = (np.moveaxis(array, self.axis, -1) for array in inputs)
        broadcastable(self.op, [x[..., :1], indices[..., :1]])
        sizes = np.broadcast_shapes(x.shape[:-1], indices.shape[:-1])
        x = np.broadcast_to(x, (*sizes, x.shape[-1]))
        indices = np.broadcast_to(indices, (*sizes, indices.shape[-1]))
        indices = checked(self.op, indices, x.shape[-1], from_end=True)
        y = np.take_along_axis(x, indices.astype(np.intp), -1)
        return np.moveaxis(y, -1, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless steps are picked."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class OneHot(Operation):
    """A vector for each index: ``on`` at the index, else ``off``.

    All ``off`` for an index outside of the vector.  ``keras/src/ops/nn.py``, OneHot;
    ``tf.one_hot``.

    Args:
        depth: the length of the vectors.
        axis: of the vectors in the output; not the batch.
        on: the number at the index.
        off: all other numbers.
        number: the dtype of the output.
    """

    op = "one_hot"
    depth: int
    axis: int = -1
    on: float = 1.0
    off: float = 0.0
    number: str = "float32"

    def check(self) -> None:
        """The depth is positive, the dtype known."""
        check_minimum(self.op, "depth", [self.depth], 1)
        check_choice(self.op, "number", self.number, NUMBERS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x with the axis of the vectors."""
        axis = normalize_axis(self.axis, len(shapes[0]) + 1)
        return ((*shapes[0][:axis], self.depth, *shapes[0][axis:]),)

    def output_dtype(self, *dtypes: str) -> str:
        """``number``."""
        check_indices(self.op, dtypes[0])
        return self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), integers."""
        self.output_dtype(inputs[0].dtype.name)
        hot = inputs[0][..., None] == np.arange(self.depth)
        on, off = (np.array(value).astype(self.number) for value in (self.on, self.off))
        return np.moveaxis(np.where(hot, on, off), -1, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where time stays axis 1."""
        if len(shapes[0]) < 2:
            return ACROSS
        return per_step_unless_time_in([self.axis], len(shapes[0]) + 1)


LAYERS = {layer.op: layer for layer in (OneHot, Pick, Take, TakeAlong)}
