"""Operations that scale vectors by their length, their mean or their variance."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layers.axes import (
    check_choice,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.operation import Operation, check_floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class OverAxes(Operation):
    """An operation of floats along some axes other than the batch.

    Args:
        axes: the axes.
    """

    axes: tuple[int, ...]

    def check(self) -> None:
        """There is at least one axis."""
        if not self.axes:
            raise ValueError(f"{self.op}: axes is empty")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        if len(axes) < len(self.axes):
            raise ValueError(f"{self.op}: expected different axes, got {self.axes}")
        return (shapes[0],)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x, a float."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is one of the axes."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


def length(x: Array, axes: tuple[int, ...], order: float) -> Array:
    """The norm of some order of the vectors along axes, which stay with size 1."""
    if order == 2.0:
        return np.asarray(np.sqrt((x * x).sum(axis=axes, keepdims=True)))
    size = np.abs(x)
    if order == inf:
        return np.asarray(size.max(axis=axes, keepdims=True))
    if order == -inf:
        return np.asarray(size.min(axis=axes, keepdims=True))
    if order == 1.0:
        return np.asarray(size.sum(axis=axes, keepdims=True))
    power = x.dtype.type(order)
    total = np.power(size, power).sum(axis=axes, keepdims=True)
    return np.asarray(np.power(total, x.dtype.type(1.0) / power))


class Norm(OverAxes):
    """The length of the vectors along some axes, ``sum(|x| ** order) ** (1 / order)``.

    ``keras/src/ops/linalg.py``, Norm; ``tf.norm``.

    Args:
        order: above 0, or an infinity.
        keepdims: keep the axes, with size 1.
    """

    op = "norm"
    order: float = 2.0
    keepdims: bool = False

    def check(self) -> None:
        """The order is one of those."""
        super().check()
        if not (self.order > 0 or self.order == -inf):
            raise ValueError(f"norm: an order of {self.order}")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x without the axes; with ``keepdims``, 1 along them."""
        super().output_shapes(*shapes)
        axes = {normalize_axis(axis, len(shapes[0])) for axis in self.axes}
        sizes = [1 if i in axes else size for i, size in enumerate(shapes[0])]
        if not self.keepdims:
            sizes = [size for i, size in enumerate(sizes) if i not in axes]
        return (tuple(sizes),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        with np.errstate(all="ignore"):
            y = length(inputs[0], self.axes, self.order)
        return y if self.keepdims else np.squeeze(y, self.axes)


class Normalized(OverAxes):
    """Vectors along some axes divided by their length.

    Args:
        order: of the length: see ``Norm``.
        bound: what is bounded from below: ``square``, the square of the length, as in
            ``tf.math.l2_normalize``; ``length``, as in ``keras/src/ops/nn.py``.
        least: the bound.
    """

    op = "normalized"
    order: float = 2.0
    bound: str = "length"
    least: float

    def check(self) -> None:
        """The bound is a known one, and positive."""
        super().check()
        check_choice(self.op, "bound", self.bound, ("length", "square"))
        if not self.least >= 0 or not self.order >= 1:
            raise ValueError(
                f"normalized: least is {self.least}, the order {self.order}"
            )

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        with np.errstate(all="ignore"):
            if self.bound == "square":
                square = (x * x).sum(axis=self.axes, keepdims=True)
                return np.asarray(
                    x / np.sqrt(np.maximum(square, x.dtype.type(self.least)))
                )
            size = length(x, self.axes, self.order)
            return np.asarray(x / np.maximum(size, x.dtype.type(self.least)))


class Standardized(OverAxes):
    """Vectors along some axes with mean 0 and variance 1, or root mean square 1.

    ``keras/src/ops/nn.py``, LayerNorm and RMSNorm.  Then perhaps scaled and moved by
    constants along the axes.

    Args:
        epsilon: added to the variance, or to the mean square.
        centred: subtract the mean.
        squares: divide by the root of the mean square, else of the variance.
        scale: numbers to multiply by, in C order of the axes; empty for none.
        offset: numbers to add; empty for none.
    """

    op = "standardized"
    epsilon: float
    centred: bool = True
    squares: bool = False
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        super().output_shapes(*shapes)
        sizes = [shapes[0][axis] for axis in self.axes]
        known = [size for size in sizes if size is not None]
        for numbers in (self.scale, self.offset):
            if numbers and (len(known) < len(sizes) or prod(known) != len(numbers)):
                raise ValueError(
                    f"standardized: {len(numbers)} numbers for axes of sizes {sizes}"
                )
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        (_,) = self.output_shapes(x.shape)
        with np.errstate(all="ignore"):
            mean = x.mean(axis=self.axes, keepdims=True)
            apart = x if self.squares else x - mean
            spread = (apart * apart).mean(axis=self.axes, keepdims=True)
            inverse = x.dtype.type(1) / np.sqrt(spread + x.dtype.type(self.epsilon))
            y = (apart if self.centred else x) * inverse
            if self.scale:
                y = y * self._along(self.scale, x)
            if self.offset:
                y = y + self._along(self.offset, x)
        return np.asarray(y)

    def _along(self, numbers: tuple[float, ...], x: Array) -> Array:
        axes = {axis % x.ndim for axis in self.axes}
        shape = [n if i in axes else 1 for i, n in enumerate(x.shape)]
        return np.array(numbers).astype(x.dtype).reshape(shape)


LAYERS = {layer.op: layer for layer in (Norm, Normalized, Standardized)}
