"""Operations whose shapes are computed from the sizes of tensors, as by ``tf.shape``.

A computed size is a tuple: ``(n,)`` is a number, ``(-1,)`` the size that is left, ``(n,
i, a, j, b, ...)`` n times the size of axis a of input i, times the next one; ``(0, i)``
stands for all sizes of input i.  Inputs after those that are read give their sizes
alone.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError, Unsupported
from gru2np_runtime.layer import ACROSS, PER_STEP
from gru2np_runtime.layers.axes import check_choice
from gru2np_runtime.layers.operation import Operation
from gru2np_runtime.layers.ops import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape

    Size = tuple[int, ...]

TIME: tuple[int, ...] = (1, 0, 1)
MAX_ELEMENTS = 2**28


def check_sizes(op: str, sizes: Sequence[Size]) -> None:
    """Raise ``ValueError`` for a size that is none of the forms."""
    for size in sizes:
        number, *places = size or (0,)
        of_all = number == 0 and len(places) == 1
        legal = number >= 1 and len(places) % 2 == 0
        if not (legal or of_all or size == (-1,)) or any(p < 0 for p in places[::2]):
            raise ValueError(f"{op}: {size} is no size")
    if list(sizes).count((-1,)) > 1:
        raise ValueError(f"{op}: more than one -1 in {tuple(sizes)}")


def computed(
    op: str, sizes: Sequence[Size], shapes: Sequence[Shape]
) -> list[int | None]:
    """The sizes for inputs of these shapes; -1 stays, unknown ones are None.

    Raises:
        ValueError: an input has no such axis, or there is no such input.
    """
    result: list[int | None] = []
    for number, *places in sizes:
        if number == 0:
            result.extend(_shape(op, shapes, places[0]))
            continue
        factors: list[int | None] = [number]
        for i, axis in zip(places[::2], places[1::2]):
            shape = _shape(op, shapes, i)
            if not -len(shape) <= axis < len(shape):
                raise ValueError(f"{op}: axis {axis} of a tensor of shape {shape}")
            factors.append(shape[axis])
        known = [factor for factor in factors if factor is not None]
        result.append(prod(known) if len(known) == len(factors) else None)
    return result


def _shape(op: str, shapes: Sequence[Shape], number: int) -> Shape:
    if number >= len(shapes):
        raise ValueError(f"{op}: no input {number} of {len(shapes)}")
    return shapes[number]


def of_batch(size: Size, shapes: Sequence[Shape]) -> bool:
    """Whether a size has the number of samples as a factor."""
    number, *places = size
    if number == 0:
        return True
    return any(a in (0, -len(shapes[i])) for i, a in zip(places[::2], places[1::2]))


def check_batch(op: str, sizes: Sequence[Size], shapes: Sequence[Shape]) -> None:
    """Raise ``Unsupported`` where the number of samples is no size of axis 0."""
    computed(op, sizes, shapes)
    if any(of_batch(size, shapes) for size in sizes[1:]):
        raise Unsupported(
            f"{op}: the number of samples as the size of an axis other than the first, "
            "so samples would be mixed"
        )


class Sized(Operation):
    """An operation with computed sizes, which reads the numbers of its first input.

    Args:
        sizes: see the module.
    """

    takes_several = True
    sizes: tuple[tuple[int, ...], ...]

    def check(self) -> None:
        """Sizes have their form."""
        check_sizes(self.op, self.sizes)

    def over_time(self, *shapes: Shape) -> str:
        """All steps at once, unless overridden."""
        return ACROSS


class Shaped(Sized):
    """The first input in another shape, whose first size has the samples as a factor.

    ``tf.reshape``.  With -1 as the first size, the rows of one sample stay together
    only if the other sizes divide a sample, which the converter checks.
    """

    op = "shaped"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes, -1 replaced where all others are known."""
        check_batch(self.op, self.sizes, shapes)
        sizes = computed(self.op, self.sizes, shapes)
        if not sizes:
            raise ValueError("shaped: a shape without axes")
        x = shapes[0]
        if None in x or None in sizes:
            return (tuple(None if size == -1 else size for size in sizes),)
        count = prod(size for size in x if size is not None)
        rest = prod(size for size in sizes if size is not None and size != -1)
        if (-1 in sizes and (rest == 0 or count % rest)) or (
            -1 not in sizes and rest != count
        ):
            raise InputError(f"shaped: {x} does not fit the shape {tuple(sizes)}")
        return (tuple(count // rest if size == -1 else size for size in sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, and tensors whose sizes are read."""
        shapes = [x.shape for x in inputs]
        if inputs[0].size:
            (shape,) = self.output_shapes(*shapes)
            return inputs[0].reshape([size or 0 for size in shape])
        # Nothing tells what -1 is: as if there were one sample.
        ones = [tuple(n or 1 for n in shape) for shape in shapes]
        (shape,) = self.output_shapes(*ones)
        return inputs[0].reshape([0, *(size or 0 for size in shape[1:])])

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the sizes of batch and time stay."""
        stays = self.sizes[:2] in (((-1,), TIME), ((1, 0, 0), TIME))
        plain = all(len(size) == 1 for size in self.sizes[2:])
        return PER_STEP if stays and plain and len(shapes[0]) > 2 else ACROSS


class Full(Sized):
    """A tensor of these sizes, filled with one number; inputs give sizes alone.

    ``tf.fill``, ``tf.zeros``, ``tf.ones``.

    Args:
        value: the number.
        number: the dtype.
    """

    op = "full"
    reads_shape_alone = True
    value: float = 0.0
    number: str = "float32"

    def check(self) -> None:
        """Sizes and dtype are legal."""
        super().check()
        check_choice(self.op, "number", self.number, NUMBERS)
        if (-1,) in self.sizes:
            raise ValueError("full: -1 is no size of a new tensor")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes."""
        check_batch(self.op, self.sizes, shapes)
        return (tuple(computed(self.op, self.sizes, shapes)),)

    def output_dtype(self, *dtypes: str) -> str:
        """``number``."""
        return self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """Tensors whose sizes are read."""
        (shape,) = self.output_shapes(*(x.shape for x in inputs))
        sizes = [size or 0 for size in shape]
        if prod(sizes) > MAX_ELEMENTS:
            raise InputError(f"full: a tensor of shape {tuple(sizes)} is too large")
        return np.full(sizes, np.array(self.value).astype(self.number))


class Tile(Sized):
    """The first input several times along each axis, as often as the sizes say.

    ``keras/src/ops/numpy.py``, Tile; ``tf.tile``.  The first size is (1,), the batch;
    more sizes than axes put axes of size 1 after the batch.
    """

    op = "tile"

    def check(self) -> None:
        """The batch is there once."""
        super().check()
        if self.sizes[:1] != ((1,),) or (-1,) in self.sizes:
            raise ValueError(
                f"tile: expected 1 for the batch axis, then numbers, got {self.sizes}"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes of x times the numbers."""
        check_batch(self.op, self.sizes, shapes)
        counts = computed(self.op, self.sizes, shapes)
        if len(counts) != len(shapes[0]):
            raise ValueError(
                f"tile: {len(counts)} numbers for an input of shape {shapes[0]}"
            )
        return (
            tuple(
                None if size is None or count is None else size * count
                for size, count in zip(shapes[0], counts)
            ),
        )

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, and tensors whose sizes are read."""
        shapes = [x.shape for x in inputs]
        self.output_shapes(*shapes)
        counts = computed(self.op, self.sizes, shapes)
        return np.tile(inputs[0], [count or 0 for count in counts])

    def over_time(self, *shapes: Shape) -> str:
        """Per step where time is there once."""
        plain = all(len(size) == 1 for size in self.sizes) and len(shapes) == 1
        return PER_STEP if plain and self.sizes[1:2] == ((1,),) else ACROSS


class Spread(Sized):
    """The first input broadcast to the sizes.

    ``tf.broadcast_to``.  The first size is that of the batch.
    """

    op = "spread"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes."""
        check_batch(self.op, self.sizes, shapes)
        sizes, x = computed(self.op, self.sizes, shapes), shapes[0]
        if len(sizes) != len(x) or -1 in sizes:
            raise ValueError(f"spread: an input of shape {x} to {tuple(sizes)}")
        for size, wanted in list(zip(x, sizes))[1:]:
            if None not in (size, wanted) and size not in (1, wanted):
                raise InputError(f"spread: an input of shape {x} to {tuple(sizes)}")
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, and tensors whose sizes are read."""
        (shape,) = self.output_shapes(*(x.shape for x in inputs))
        try:
            return np.broadcast_to(inputs[0], [size or 0 for size in shape])
        except ValueError:
            raise InputError(
                f"spread: an input of shape {inputs[0].shape} to {shape}"
            ) from None


class SizeOf(Operation):
    """The size of an axis as a number without axes, the same for all samples.

    ``tf.shape(x)[axis]``.

    Args:
        axis: the axis, not the batch.
        number: the dtype.
    """

    op = "size_of"
    reads_shape_alone = True
    axis: int
    number: str = "int32"

    def check(self) -> None:
        """The dtype is known."""
        check_choice(self.op, "number", self.number, ("int32", "int64"))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """No axes."""
        rank = len(shapes[0])
        if self.axis in (0, -rank):
            raise Unsupported(
                "the number of samples as a number: what Keras computes with it "
                "depends on its batch_size"
            )
        if not -rank < self.axis < rank:
            raise ValueError(f"size_of: axis {self.axis} of shape {shapes[0]}")
        return ((),)

    def output_dtype(self, *dtypes: str) -> str:
        """``number``."""
        return self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.array(inputs[0].shape[self.axis], self.number)

    def over_time(self, *shapes: Shape) -> str:
        """All steps at once."""
        return ACROSS


class Counting(SizeOf):
    """0, 1, 2, ... below the size of an axis, the same for all samples.

    ``tf.range(tf.shape(x)[axis])``.
    """

    op = "counting"

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """One axis."""
        super().output_shapes(*shapes)
        return ((shapes[0][self.axis],),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        self.output_shapes(inputs[0].shape)
        return np.arange(inputs[0].shape[self.axis], dtype=self.number)


class Lifted(Operation):
    """A tensor that is the same for all samples, with axes of size 1 put before it.

    Its axis 0 is that of the batch then, with size 1, so that it is broadcast.

    Args:
        rank: the number of axes of the output.
    """

    op = "lifted"
    rank: int

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(1, ..., 1, sizes of x)."""
        if not len(shapes[0]) < self.rank <= 64:
            raise ValueError(f"lifted: {shapes[0]} to {self.rank} axes")
        return ((*(1,) * (self.rank - len(shapes[0])), *shapes[0]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: any shape."""
        (shape,) = self.output_shapes(inputs[0].shape)
        return inputs[0].reshape([size or 0 for size in shape])

    def over_time(self, *shapes: Shape) -> str:
        """All steps at once."""
        return ACROSS


LAYERS = {
    layer.op: layer for layer in (Counting, Full, Lifted, Shaped, SizeOf, Spread, Tile)
}
