"""Operations that slice, split, stack, concatenate, reshape and transpose tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, LAST, PER_STEP
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

FULL_SLICE: Item = (None, None, None)
ELLIPSIS: Item = (None,)
NEW_AXIS: Item = ()
MAX_OUTPUTS = 1024


class GetItem(Operation):
    """Basic slicing, with the whole batch.

    Args:
        items: one for each axis from the first on: ``[i]`` is an index, ``[start, stop,
            step]`` a slice, with null for an omitted part, ``[]`` a new axis of size 1,
            ``[null]`` an ellipsis.
    """

    op = "get_item"
    items: tuple[tuple[int | None, ...], ...]

    def check(self) -> None:
        """Items are legal, with at most one ellipsis; the first is ``:`` or ``...``."""
        for item in self.items:
            if len(item) not in (0, 1, 3) or (len(item) == 3 and item[2] == 0):
                raise ValueError(
                    "get_item: expected an index, or a slice with a step other than 0; "
                    f"got {list(item)}"
                )
        if self.items.count(ELLIPSIS) > 1:
            raise ValueError("get_item: more than one ellipsis")
        if not self.items or self.items[0] not in (
            FULL_SLICE,
            (None, None, 1),
            ELLIPSIS,
        ):
            raise ValueError(
                "get_item: expected a full slice, :, of the batch axis; "
                f"got {list(self.items)}"
            )

    def per_axis(self, rank: int) -> list[Item]:
        """The items with the ellipsis replaced by full slices, for inputs of this rank.

        Raises:
            ValueError: there are more items than axes, or the batch is sliced.
        """
        indexed = sum(item not in (ELLIPSIS, NEW_AXIS) for item in self.items)
        if indexed > rank:
            raise ValueError(
                f"get_item: expected an input of rank {indexed} or more, got {rank}"
            )
        items = list(self.items)
        if ELLIPSIS not in items:
            items.append(ELLIPSIS)
        position = items.index(ELLIPSIS)
        items[position : position + 1] = [FULL_SLICE] * (rank - indexed)
        if not items or items[0] not in (FULL_SLICE, (None, None, 1)):
            raise ValueError(
                "get_item: expected a full slice, :, of the batch axis; "
                f"got {list(self.items)}"
            )
        return items

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes after slicing; an index removes its axis."""
        sizes: list[int | None] = []
        axes = iter(shapes[0])
        for item in self.per_axis(len(shapes[0])):
            size = 1 if item == NEW_AXIS else next(axes)
            if len(item) == 1 and item[0] is not None:
                if size is not None and not -size <= item[0] < size:
                    raise InputError(
                        f"get_item: expected an index from {-size} to {size - 1}, "
                        f"got {item[0]}"
                    )
                continue
            sizes.append(_sliced_size(item, size))
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
        """Per step where axis 1 keeps all steps; LAST where it keeps the last one."""
        items = self.per_axis(len(shapes[0]))
        if items[1:2] in ([FULL_SLICE], [(None, None, 1)]):
            return PER_STEP
        if items[1:2] in ([(-1,)], [(-1, None, None)], [(-1, None, 1)]):
            return LAST
        return ACROSS


def _sliced_size(item: Item, size: int | None) -> int | None:
    """The size of an axis after a slice; None where it depends on the input."""
    if item in (NEW_AXIS, FULL_SLICE):
        return size
    if size is None:
        return 1 if item in ((-1, None, None), (-1, None, 1)) else None
    return len(range(*slice(*item).indices(size)))


class Squeeze(Operation):
    """The input without the axes, whose sizes must be 1."""

    op = "squeeze"
    axes: tuple[int, ...]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape without the axes."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        for axis in axes:
            if shapes[0][axis] not in (None, 1):
                raise InputError(
                    f"squeeze: expected size 1 of axis {axis}, got shape {shapes[0]}"
                )
        return (tuple(n for i, n in enumerate(shapes[0]) if i not in axes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        (shape,) = self.output_shapes(inputs[0].shape)
        return inputs[0].reshape([size or 0 for size in shape])

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the time axis is removed."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Stack(Operation):
    """Inputs of equal shapes stacked along a new axis.

    Args:
        axis: the position of the new axis in the output.
    """

    op = "stack"
    takes_several = True
    axis: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The inputs' shape with the new axis, whose size is the number of inputs."""
        axis = normalize_axis(self.axis, len(shapes[0]) + 1)
        for sizes in zip(*shapes):
            if len({*sizes} - {None}) > 1:
                raise ValueError(
                    f"stack: expected inputs of equal shapes, got {shapes}"
                )
        shape = broadcast_shape(self.op, shapes)
        return ((*shape[:axis], len(shapes), *shape[axis:]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of all inputs, which must be equal."""
        if len(set(dtypes)) > 1:
            raise ValueError(
                f"stack: {' and '.join(sorted(set(dtypes)))} together are not supported"
            )
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Each x: (batch, ...)."""
        if len({x.shape for x in inputs}) > 1:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise InputError(f"stack: expected inputs of equal shapes, got {shapes}")
        return np.stack(inputs, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the time axis stays axis 1."""
        return per_step_unless_time_in([self.axis], len(shapes[0]) + 1)


class Split(Operation):
    """One output for each piece of an axis.

    Exactly one of ``sections``, ``bounds`` and ``squeeze`` is set.

    Args:
        axis: the axis, not the batch.
        sections: the number of pieces of equal size.
        bounds: the end of each piece but the last one.
        squeeze: one piece for each index, without the axis.
    """

    op = "split"
    axis: int
    sections: int = 0
    bounds: tuple[int, ...] = ()
    squeeze: bool = False

    def check(self) -> None:
        """One of the three is set, and bounds are in ascending order."""
        check_minimum(self.op, "sections", [self.sections], 0)
        check_minimum(self.op, "bounds", self.bounds, 1)
        if list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(
                f"split: bounds is {self.bounds}, expected ascending numbers"
            )
        if sum([bool(self.sections), bool(self.bounds), self.squeeze]) != 1:
            raise ValueError(
                f"split: expected one of sections, bounds and squeeze, got {self}"
            )

    def pieces(self, size: int | None) -> list[int]:
        """The sizes of the pieces of an axis.

        Raises:
            InputError: an axis of this size cannot be split so.
        """
        count = self.sections or len(self.bounds) + 1
        if size is None:
            raise InputError("split: expected an axis of known size, got None")
        if self.squeeze:
            count = size
        if not 1 <= count <= MAX_OUTPUTS:
            raise InputError(f"split: expected 1 to {MAX_OUTPUTS} pieces, got {count}")
        ends = (*self.bounds, size)
        if self.bounds and ends[-1] <= ends[-2]:
            raise InputError(
                f"split: expected bounds below the size {size}, got {self.bounds}"
            )
        if size % count and not self.bounds:
            raise InputError(f"split: expected a size divisible by {count}, got {size}")
        if not self.bounds:
            return [size // count] * count
        return [end - start for start, end in zip((0, *self.bounds), ends)]

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of each piece."""
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
        outputs = np.split(inputs[0], bounds, self.axis)
        if self.squeeze:
            outputs = [np.squeeze(piece, self.axis) for piece in outputs]
        return tuple(outputs)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the time axis is split."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class Transpose(Permute):
    """``Permute`` as an operation: it keeps the dtype of its input."""

    op = "transpose"
    casts_floats = False

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the time axis stays axis 1."""
        return PER_STEP if self.dims[:1] == (1,) else ACROSS


class Turned(Operation):
    """A transpose that moves the batch axis: axis i of the output is ``order[i]``.

    The rows of the output are no samples, so the whole batch runs at once.  The
    converter refuses graphs in which another layer would take its axis 0 for them.
    """

    op = "turned"
    independent_rows = False
    order: tuple[int, ...]

    def check(self) -> None:
        """``order`` has every axis once."""
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"turned: expected every axis once, got {self.order}")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes in the new order."""
        if len(shapes[0]) != len(self.order):
            raise ValueError(
                f"turned: expected {len(self.order)} axes, got {shapes[0]}"
            )
        return (tuple(shapes[0][axis] for axis in self.order),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        return np.transpose(inputs[0], self.order)

    def over_time(self, *shapes: Shape) -> str:
        """All steps at once."""
        return ACROSS


class FirstItem(Operation):
    """One item along axis 0, of a tensor whose axis 0 is not the batch.

    ``x[index]`` after a transpose that moves the batch axis: see ``Turned``.
    """

    op = "first_item"
    independent_rows = False
    index: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes after axis 0."""
        size = shapes[0][0] if len(shapes[0]) > 1 else 0
        if size is not None and not -size <= self.index < size:
            raise InputError(f"first_item: no item {self.index} in shape {shapes[0]}")
        return (shapes[0][1:],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (items, ...)."""
        self.output_shapes(inputs[0].shape)
        return np.asarray(inputs[0][self.index])

    def over_time(self, *shapes: Shape) -> str:
        """All steps at once."""
        return ACROSS


class Reshaped(Reshape):
    """``Reshape`` as an operation: it keeps the dtype of its input."""

    op = "reshaped"
    casts_floats = False


class Joined(Concatenate):
    """``Concatenate`` as an operation: it keeps the dtype of its inputs."""

    op = "joined"
    casts_floats = False

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of all inputs, which must be equal."""
        if len(set(dtypes)) > 1:
            raise ValueError(
                f"joined: {' and '.join(sorted(set(dtypes)))} together are not "
                "supported"
            )
        return dtypes[0]


LAYERS = {
    layer.op: layer
    for layer in (
        *(GetItem, Joined, Reshaped, Split, Squeeze, Stack, Transpose, Turned),
        FirstItem,
    )
}
