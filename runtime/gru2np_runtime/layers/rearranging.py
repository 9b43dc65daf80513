"""Operations that turn round, shift, repeat, pad and cut elements of a tensor."""

from __future__ import annotations

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
from gru2np_runtime.layers.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape

PAD_MODES = ("constant", "reflect", "symmetric")


class Flip(Operation):
    """The elements along some axes in reverse order.

    ``keras/src/ops/numpy.py``, Flip; ``tf.reverse``.

    Args:
        axes: the axes, not the batch.
    """

    op = "flip"
    axes: tuple[int, ...]

    def check(self) -> None:
        """There is at least one axis."""
        if not self.axes:
            raise ValueError("flip: axes is empty")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        different_axes(self.op, self.axes, shapes[0])
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.flip(inputs[0], self.axes)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is turned round."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Roll(Operation):
    """Elements shifted along some axes; those that fall out come back in front.

    ``keras/src/ops/numpy.py``, Roll; ``tf.roll``.

    Args:
        shifts: one for each axis; a positive one shifts to higher indices.
        axes: the axes, not the batch; the shifts of an axis named twice add up.
    """

    op = "roll"
    shifts: tuple[int, ...]
    axes: tuple[int, ...]

    def check(self) -> None:
        """There is a shift for each axis."""
        if not self.axes or len(self.shifts) != len(self.axes):
            raise ValueError(
                f"roll: expected one shift for each axis, got {self.shifts} for "
                f"{self.axes}"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        for axis in self.axes:
            normalize_axis(axis, len(shapes[0]))
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.roll(inputs[0], self.shifts, self.axes)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is shifted."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class Repeat(Operation):
    """Each element along an axis several times, one after the other.

    ``keras/src/ops/numpy.py``, Repeat; ``tf.repeat``.

    Args:
        repeats: the number for all elements, or one for each.
        axis: the axis, not the batch.
    """

    op = "repeat"
    repeats: tuple[int, ...]
    axis: int

    def check(self) -> None:
        """Numbers are 1 or more."""
        if not self.repeats:
            raise ValueError("repeat: repeats is empty")
        check_minimum(self.op, "repeats", self.repeats, 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x, with a longer axis."""
        axis = normalize_axis(self.axis, len(shapes[0]))
        size, several = shapes[0][axis], len(self.repeats) > 1
        if several and size not in (None, len(self.repeats)):
            raise InputError(
                f"repeat: {len(self.repeats)} numbers for an axis of size {size}"
            )
        longer = sum(self.repeats) if several else size and size * self.repeats[0]
        return ((*shapes[0][:axis], longer, *shapes[0][axis + 1 :]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        self.output_shapes(inputs[0].shape)
        repeats = self.repeats if len(self.repeats) > 1 else self.repeats[0]
        return np.repeat(inputs[0], repeats, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time steps are repeated."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class Pad(Operation):
    """Elements put before and after those of each axis.

    ``keras/src/ops/numpy.py``, Pad; ``tf.pad``.

    Args:
        pads: (before, after) for each axis, the batch included, which has (0, 0).
        mode: ``constant``; ``reflect`` without the edge, ``symmetric`` with it.
        value: of ``constant``.
    """

    op = "pad"
    pads: tuple[tuple[int, ...], ...]
    mode: str = "constant"
    value: float = 0.0

    def check(self) -> None:
        """There is a pair for each axis, and none for the batch."""
        check_choice(self.op, "mode", self.mode, PAD_MODES)
        if not self.pads or any(len(pair) != 2 for pair in self.pads):
            raise ValueError(f"pad: expected a pair for each axis, got {self.pads}")
        for pair in self.pads:
            check_minimum(self.op, "pads", pair, 0)
        if any(self.pads[0]):
            raise ValueError("pad: the batch axis is padded, so rows would be added")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x, with longer axes."""
        if len(shapes[0]) != len(self.pads):
            raise ValueError(
                f"pad: expected an input of {len(self.pads)} axes, got {shapes[0]}"
            )
        for size, pair in zip(shapes[0], self.pads):
            most = None if size is None else size - (self.mode == "reflect")
            if self.mode != "constant" and most is not None and max(pair) > most:
                raise InputError(
                    f"pad: {pair} of an axis of size {size} by {self.mode}: too many"
                )
        return (
            tuple(
                None if size is None else size + sum(pair)
                for size, pair in zip(shapes[0], self.pads)
            ),
        )

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x, which must hold the value."""
        if not dtypes[0].startswith("float") and self.value != 0:
            raise ValueError(f"pad: {dtypes[0]} with a value other than 0")
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        self.output_shapes(x.shape)
        if self.mode != "constant":
            # A literal: NumPy's types know the modes by name.
            return (
                np.pad(x, self.pads, "reflect")
                if self.mode == "reflect"
                else np.pad(x, self.pads, "symmetric")
            )
        return np.pad(x, self.pads, constant_values=x.dtype.type(self.value))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is padded."""
        return ACROSS if any(any(pair) for pair in self.pads[1:2]) else PER_STEP


class Triangle(Operation):
    """The matrices in the last two axes with zeros outside of a band.

    ``tf.linalg.band_part``; ``keras/src/ops/numpy.py``, Tril and Triu.

    Args:
        lowest: the lowest diagonal that is kept; 0 is the main one, -1 the next below.
        highest: the highest diagonal that is kept.
    """

    op = "triangle"
    lowest: int = -(2**31)
    highest: int = 2**31

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        if len(shapes[0]) < 2:
            raise ValueError(f"triangle: expected matrices, got shape {shapes[0]}")
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (..., rows, columns)."""
        x = inputs[0]
        rows, columns = x.shape[-2:]
        place = np.arange(columns) - np.arange(rows)[:, None]
        kept = (place >= self.lowest) & (place <= self.highest)
        return np.where(kept, x, x.dtype.type(0))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is one of the last two axes."""
        return PER_STEP if len(shapes[0]) > 3 else ACROSS


class Difference(Operation):
    """Each element minus the one before it along an axis, ``n`` times.

    ``keras/src/ops/numpy.py``, Diff.
    """

    op = "difference"
    n: int = 1
    axis: int = -1

    def check(self) -> None:
        """``n`` is at least 1."""
        check_minimum(self.op, "n", [self.n], 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x, with ``n`` elements less along the axis."""
        axis = normalize_axis(self.axis, len(shapes[0]))
        size = shapes[0][axis]
        shorter = None if size is None else max(0, size - self.n)
        return ((*shapes[0][:axis], shorter, *shapes[0][axis + 1 :]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x, which is no bool."""
        if dtypes[0] == "bool":
            raise ValueError("difference of booleans is not supported; cast them first")
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        with np.errstate(all="ignore"):
            return np.diff(inputs[0], self.n, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the axis is time."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class Moved(Operation):
    """One or more axes moved to other positions, the rest in their order.

    ``keras/src/ops/numpy.py``, Moveaxis and Swapaxes.

    Args:
        sources: the axes, not the batch.
        targets: where each one is in the output.
    """

    op = "moved"
    sources: tuple[int, ...]
    targets: tuple[int, ...]

    def check(self) -> None:
        """There is a target for each source."""
        if not self.sources or len(self.sources) != len(self.targets):
            raise ValueError(
                f"moved: expected a target for each axis, got {self.targets} for "
                f"{self.sources}"
            )

    def _order(self, rank: int) -> list[int]:
        sources = [normalize_axis(axis, rank) for axis in self.sources]
        targets = [normalize_axis(axis, rank) for axis in self.targets]
        if sources == targets:
            # An axis by two names, swapped with itself.
            return list(range(rank))
        if len({*sources}) < len(sources) or len({*targets}) < len(targets):
            raise ValueError(f"moved: an axis named twice: {sources} to {targets}")
        order = [axis for axis in range(rank) if axis not in sources]
        for target, source in sorted(zip(targets, sources)):
            order.insert(target, source)
        return order

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes in the new order."""
        order = self._order(len(shapes[0]))
        return (tuple(shapes[0][axis] for axis in order),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.transpose(inputs[0], self._order(inputs[0].ndim))

    def over_time(self, *shapes: Shape) -> str:
        """Per step where time stays axis 1."""
        order = self._order(len(shapes[0]))
        return PER_STEP if order[1:2] == [1] else ACROSS


def different_axes(op: str, axes: Sequence[int], shape: Shape) -> set[int]:
    """The axes, each counted from the first one.

    Raises:
        ValueError: there is no such axis, or one is named twice.
    """
    found = {normalize_axis(axis, len(shape)) for axis in axes}
    if len(found) < len(axes):
        raise ValueError(f"{op}: expected different axes, got {tuple(axes)}")
    return found


LAYERS = {
    layer.op: layer for layer in (Difference, Flip, Moved, Pad, Repeat, Roll, Triangle)
}
