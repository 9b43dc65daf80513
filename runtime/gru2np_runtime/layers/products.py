"""Products of two tensors, for each sample."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import Unsupported
from gru2np_runtime.layer import Layer, across
from gru2np_runtime.layers.axes import normalize_axis
from gru2np_runtime.layers.merging import check_count, common_size, shape_mismatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes


class Dot(Layer):
    """The dot product over one axis of each of two inputs, for each sample.

    The output has the other axes of the first input, then those of the second.

    Args:
        axes: the axis of the first input and the axis of the second.
        normalize: scale vectors along these axes to length 1 first.
        any_rank: support ranks above 3, where Keras before 3 computes something else.
    """

    takes_several = True
    op = "dot"
    independent_rows = True
    over_time = across
    axes: tuple[int, ...]
    normalize: bool = False
    any_rank: bool = False

    def check(self) -> None:
        """``axes`` has two axes."""
        if len(self.axes) != 2:
            raise ValueError(f"dot: axes is {self.axes}, expected two")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, other axes of the first, of the second), at least (batch, 1)."""
        check_count(2, shapes)
        max_rank = max(map(len, shapes)) if self.any_rank else 3
        if not all(2 <= len(shape) <= max_rank for shape in shapes):
            raise Unsupported(
                f"dot: expected inputs of rank 2 or 3, got {shapes[0]} and {shapes[1]}"
            )
        axes = [normalize_axis(a, len(shape)) for a, shape in zip(self.axes, shapes)]
        common_size([shape[a] for a, shape in zip(axes, shapes)], shapes)
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
        """x, y: (batch, ..., n), with n at the axis of each."""
        x, y = inputs
        if self.normalize:
            x, y = (_unit(array, axis) for array, axis in zip(inputs, self.axes))
        x = np.moveaxis(x, self.axes[0], -1)
        y = np.moveaxis(y, self.axes[1], 1)
        rest = (*x.shape[1:-1], *y.shape[2:])
        rows = x.reshape(x.shape[0], prod(x.shape[1:-1]), x.shape[-1])
        columns = y.reshape(*y.shape[:2], prod(y.shape[2:]))
        if rows.shape[2] != columns.shape[1]:
            raise shape_mismatch(self.op, inputs)
        product: Array = rows @ columns
        return product.reshape(x.shape[0], *(rest or [1]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Elements of the output times the size of the axis."""
        return prod(outputs[0]) * inputs[0][self.axes[0]]


class Cosine(Layer):
    """The cosine of the angle between two vectors, for each sample.

    Keras 1.2 ``keras/engine/topology.py``, Merge in mode ``cos``.
    """

    takes_several = True
    op = "cosine"
    independent_rows = True
    over_time = across

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, 1, 1)."""
        check_count(2, shapes)
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(
                f"cosine: expected inputs of rank 2, got {shapes[0]} and {shapes[1]}"
            )
        common_size([shape[1] for shape in shapes], shapes)
        return ((shapes[0][0], 1, 1),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x, y: (batch, n)."""
        x, y = inputs
        if x.shape[1] != y.shape[1]:
            raise shape_mismatch(self.op, inputs)
        lengths = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
        cosine: Array = (x * y).sum(axis=1) / np.maximum(lengths, 1e-8)
        return cosine[:, None, None]

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The dot product and two squared lengths."""
        return 3 * prod(inputs[0])


def _unit(x: Array, axis: int) -> Array:
    """x with vectors of length 1 along the axis; vectors near 0 stay near 0.

    The bound of 1e-12 on the squared length is that of Keras 2,
    ``tf.math.l2_normalize``.  Keras 3's, 1e-7 on the length, differs only for vectors
    shorter than 1e-6.
    """
    with np.errstate(over="ignore"):
        square = (x * x).sum(axis=axis, keepdims=True)
    unit: Array = x / np.sqrt(np.maximum(square, 1e-12))
    return unit


LAYERS = {layer.op: layer for layer in (Cosine, Dot)}
