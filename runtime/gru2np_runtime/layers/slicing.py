"""Operations that take tensors apart, put them together, or turn their axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, LAST, POINTWISE
from gru2np_runtime.layers.axes import (
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.merging import Concatenate
from gru2np_runtime.layers.operation import Operation, broadcast_shape
from gru2np_runtime.layers.reshaping import Permute, Reshape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

    Item = tuple[int | None, ...]

WHOLE: Item = (None, None, None)
ELLIPSIS: Item = (None,)
NEW_AXIS: Item = ()
MAX_OUTPUTS = 1024


class GetItem(Operation):
    """Basic slicing, the batch left whole.

    Args:
        items: one for each axis from the first on: ``[i]`` an index, ``[start, stop,
            step]`` a slice with null where it is open, ``[]`` a new axis of size 1,
            ``[null]`` an ellipsis.
    """

    op = "get_item"
    items: tuple[tuple[int | None, ...], ...]

    def check(self) -> None:
        """Items are of these kinds, at most one ellipsis, no step of 0."""
        for item in self.items:
            if len(item) not in (0, 1, 3) or (len(item) == 3 and item[2] == 0):
                raise ValueError(f"get_item: {list(item)} is no index and no slice")
        if self.items.count(ELLIPSIS) > 1:
            raise ValueError("get_item: more than one ellipsis")
        if not self.items or self.items[0] not in (WHOLE, (None, None, 1), ELLIPSIS):
            raise ValueError("get_item: expected the whole batch, a slice : first")

    def per_axis(self, rank: int) -> list[Item]:
        """The items with every axis named and no ellipsis.

        Raises:
            ValueError: they are more than the axes, or touch the batch.
        """
        taken = sum(item not in (ELLIPSIS, NEW_AXIS) for item in self.items)
        if taken > rank:
            raise ValueError(f"get_item: {taken} axes of an input of rank {rank}")
        items = list(self.items)
        if ELLIPSIS not in items:
            items.append(ELLIPSIS)
        place = items.index(ELLIPSIS)
        items[place : place + 1] = [WHOLE] * (rank - taken)
        if not items or items[0] not in (WHOLE, (None, None, 1)):
            raise ValueError("get_item: expected the whole batch, a slice : first")
        return items

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes that slices leave; an index takes its axis away."""
        sizes: list[int | None] = []
        axes = iter(shapes[0])
        for item in self.per_axis(len(shapes[0])):
            size = 1 if item == NEW_AXIS else next(axes)
            if len(item) == 1 and item[0] is not None:
                if size is not None and not -size <= item[0] < size:
                    raise InputError(f"get_item: index {item[0]} of {size}")
                continue
            sizes.append(_length(item, size))
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        self.output_shapes(inputs[0].shape)
        key = tuple(
            None if item == NEW_AXIS else item[0] if len(item) == 1 else slice(*item)
            for item in self.per_axis(inputs[0].ndim)
        )
        return np.asarray(inputs[0][key])

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time stays whole and axis 1; LAST for its last step."""
        items = self.per_axis(len(shapes[0]))
        if items[1:2] in ([WHOLE], [(None, None, 1)]):
            return POINTWISE
        if items[1:2] in ([(-1,)], [(-1, None, None)], [(-1, None, 1)]):
            return LAST
        return ACROSS


def _length(item: Item, size: int | None) -> int | None:
    """How much of a size a slice leaves; None where that hangs on the data."""
    if item in (NEW_AXIS, WHOLE):
        return size
    if size is None:
        return 1 if item in ((-1, None, None), (-1, None, 1)) else None
    return len(range(*slice(*item).indices(size)))


class Squeeze(Operation):
    """Without these axes, whose size is 1."""

    op = "squeeze"
    axes: tuple[int, ...]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape without the axes."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        for axis in axes:
            if shapes[0][axis] not in (None, 1):
                raise InputError(f"squeeze: axis {axis} of shape {shapes[0]} is not 1")
        return (tuple(n for i, n in enumerate(shapes[0]) if i not in axes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        (shape,) = self.output_shapes(inputs[0].shape)
        return inputs[0].reshape([size or 0 for size in shape])

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for the time axis."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Stack(Operation):
    """Inputs of one shape side by side along a new axis, at its place in the output."""

    op = "stack"
    takes_several = True
    axis: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """One axis more, as long as there are inputs."""
        axis = normalize_axis(self.axis, len(shapes[0]) + 1)
        for sizes in zip(*shapes):
            if len({*sizes} - {None}) > 1:
                raise ValueError(f"stack: inputs of shapes {shapes} differ")
        shape = broadcast_shape(self.op, shapes)
        return ((*shape[:axis], len(shapes), *shape[axis:]),)

    def output_dtype(self, *dtypes: str) -> str:
        """That of all inputs."""
        if len(set(dtypes)) > 1:
            raise ValueError(f"stack: {' and '.join(sorted(set(dtypes)))} together")
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Each x: (batch, ...)."""
        if len({x.shape for x in inputs}) > 1:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise InputError(f"stack: inputs of shapes {shapes} differ")
        return np.stack(inputs, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time stays axis 1."""
        return per_step_unless_time_in([self.axis], len(shapes[0]) + 1)


class Split(Operation):
    """One output for each piece of an axis.

    Args:
        axis: the axis, which is not the batch.
        sections: how many pieces of one size; 0 where ``bounds`` say it.
        bounds: where pieces end but the last one; without any, and no sections, every
            index is a piece.
        squeeze: pieces of size 1, without their axis.
    """

    op = "split"
    axis: int
    sections: int = 0
    bounds: tuple[int, ...] = ()
    squeeze: bool = False

    def check(self) -> None:
        """Sections, or bounds that grow, or neither."""
        check_minimum(self.op, "sections", [self.sections], 0)
        check_minimum(self.op, "bounds", self.bounds, 1)
        if list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"split: bounds is {self.bounds}, expected growing ones")
        if sum([bool(self.sections), bool(self.bounds), self.squeeze]) != 1:
            raise ValueError("split: expected one of sections, bounds and squeeze")

    def pieces(self, size: int | None) -> list[int]:
        """The sizes of the pieces.

        Raises:
            InputError: the axis cannot be split so.
        """
        count = self.sections or len(self.bounds) + 1
        if size is None:
            raise InputError("split: the size of the axis is not known")
        if self.squeeze:
            count = size
        if not 1 <= count <= MAX_OUTPUTS:
            raise InputError(f"split: expected 1 to {MAX_OUTPUTS} pieces, got {count}")
        ends = (*self.bounds, size)
        if self.bounds and ends[-1] <= ends[-2]:
            raise InputError(f"split: bounds {self.bounds} of {size}")
        if size % count and not self.bounds:
            raise InputError(f"split: {count} equal pieces of {size}")
        if not self.bounds:
            return [size // count] * count
        return [end - start for start, end in zip((0, *self.bounds), ends)]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """One shape for each piece."""
        axis = normalize_axis(self.axis, len(shapes[0]))
        pieces = self.pieces(shapes[0][axis])
        before, after = shapes[0][:axis], shapes[0][axis + 1 :]
        if self.squeeze:
            return ((*before, *after),) * len(pieces)
        return tuple((*before, size, *after) for size in pieces)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> tuple[Array, ...]:
        """x: (batch, ...)."""
        pieces = self.pieces(inputs[0].shape[self.axis])
        bounds = np.cumsum(pieces)[:-1].tolist()
        found = np.split(inputs[0], bounds, self.axis)
        if self.squeeze:
            found = [np.squeeze(piece, self.axis) for piece in found]
        return tuple(found)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for the time axis."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class Transpose(Permute):
    """``Permute`` as an operation: in the dtype of its input."""

    op = "transpose"
    casts_floats = False

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time stays axis 1."""
        return POINTWISE if self.dims[:1] == (1,) else ACROSS


class Reshaped(Reshape):
    """``Reshape`` as an operation: in the dtype of its input."""

    op = "reshaped"
    casts_floats = False


class Joined(Concatenate):
    """``Concatenate`` as an operation: in the one dtype of its inputs."""

    op = "joined"
    casts_floats = False

    def output_dtype(self, *dtypes: str) -> str:
        """That of all inputs."""
        if len(set(dtypes)) > 1:
            raise ValueError(f"joined: {' and '.join(sorted(set(dtypes)))} together")
        return dtypes[0]


LAYERS = {
    layer.op: layer
    for layer in (GetItem, Joined, Reshaped, Split, Squeeze, Stack, Transpose)
}
