"""Products of two tensors, sample by sample."""

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
    """Sums of products over one axis of each of two inputs, sample by sample.

    The output has the other axes of the first input, then those of the second.

    Args:
        axes: the axis of the first input, the axis of the second.
        normalize: make vectors along these axes unit vectors first.
        any_rank: above 3 too, where Keras before 3 multiplied otherwise.
    """

    takes_several = True
    op = "dot"
    rows_apart = True
    over_time = across
    axes: tuple[int, ...]
    normalize: bool = False
    any_rank: bool = False

    def check(self) -> None:
        """There are two axes."""
        if len(self.axes) != 2:
            raise ValueError(f"dot: axes is {self.axes}, expected two")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, rest of the first, rest of the second), at least (batch, 1)."""
        check_count(2, shapes)
        most = max(map(len, shapes)) if self.any_rank else 3
        if not all(2 <= len(shape) <= most for shape in shapes):
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
            raise shape_mismatch(self.op, inputs)
        product: Array = rows @ columns
        return product.reshape(x.shape[0], *(rest or [1]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """As long a sum for every number of the output."""
        return prod(outputs[0]) * inputs[0][self.axes[0]]


class Cosine(Layer):
    """The cosine of the angle between two vectors, sample by sample.

    Keras 1.2 ``keras/engine/topology.py``, Merge in mode ``cos``.
    """

    takes_several = True
    op = "cosine"
    rows_apart = True
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
        """The product and the two squared lengths."""
        return 3 * prod(inputs[0])


def _unit(x: Array, axis: int) -> Array:
    """X with vectors of length 1 along the axis; those near 0 stay near 0.

    The bound is that of Keras 2, ``tf.math.l2_normalize``; Keras 3's is 1e-7 for the
    length itself, which no other vectors notice.
    """
    with np.errstate(over="ignore"):
        square = (x * x).sum(axis=axis, keepdims=True)
    unit: Array = x / np.sqrt(np.maximum(square, 1e-12))
    return unit


LAYERS = {layer.op: layer for layer in (Cosine, Dot)}
