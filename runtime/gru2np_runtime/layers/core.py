"""Dense, Embedding, Masking and the layers of one function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._activations import axes_of, function_of
from gru2np_runtime._errors import InputError
from gru2np_runtime._layer import ACROSS, POINTWISE, Elementwise, Layer
from gru2np_runtime.layers._axes import (
    activated,
    apart_from_time,
    axis_of,
    check_minimum,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime._layer import ActivationSpec, Array, Shape


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis."""

    op = "dense"
    units: int
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Units are at least 1."""
        check_minimum(self.op, "units", [self.units], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (features, units), bias (units,)."""
        expected: dict[str, Shape] = {"kernel": (shapes[0][-1], self.units)}
        if self.use_bias:
            expected["bias"] = (self.units,)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., units)."""
        axis_of(-1, len(shapes[0]))
        return (activated(self.activation, (*shapes[0][:-1], self.units)),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., features) to (batch, ..., units)."""
        y = inputs[0] @ weights["kernel"]
        if self.use_bias:
            y = y + weights["bias"]
        return function_of(self.activation)(y)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is neither the last axis nor the activation's."""
        return apart_from_time((-1, *axes_of(self.activation)), len(shapes[0]))


class Activation(Layer):
    """One function of the whole input: Keras' Activation, ReLU, ELU, Softmax, ..."""

    op = "activation"
    function: ActivationSpec

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's; ``glu`` halves an axis."""
        return (activated(self.function, shapes[0]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return function_of(self.function)(inputs[0])

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for functions along the time axis."""
        return apart_from_time(axes_of(self.function), len(shapes[0]))


class Identity(Elementwise):
    """What Dropout, noise and penalties on activations do outside training."""

    op = "identity"
    keeps_dtype = True

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), given back."""
        return inputs[0]


class Masking(Layer):
    """Zeros in place of the steps whose features all equal ``mask_value``.

    The mask itself is a ``not_equal`` and an ``any`` node beside this one.
    """

    op = "masking"
    mask_value: float = 0.0

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, time, features)."""
        x = inputs[0]
        with np.errstate(over="ignore"):
            value = x.dtype.type(self.mask_value)
        return np.where((x != value).any(axis=-1, keepdims=True), x, x.dtype.type(0))

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is not the features' axis."""
        return apart_from_time([-1], len(shapes[0]))


class Embedding(Layer):
    """Row number x of a table, for whole numbers x.

    Other numbers are cut off to whole ones, as in Keras.  Numbers outside of the
    table are an error, as on TensorFlow's CPU; Keras 3 takes negative ones from the
    table's end, other backends give NaN or the nearest row, and none means that.
    """

    op = "embedding"
    keeps_dtype = True
    input_dim: int
    output_dim: int

    def check(self) -> None:
        """The table has rows and columns."""
        check_minimum(self.op, "input_dim", [self.input_dim], 1)
        check_minimum(self.op, "output_dim", [self.output_dim], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim)."""
        return {"embeddings": (self.input_dim, self.output_dim)}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., output_dim)."""
        return ((*shapes[0], self.output_dim),)

    def result_dtype(self) -> str | None:
        """That of the table, whatever the ids are."""
        return self.dtype

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...) of any number type, to (batch, ..., output_dim)."""
        x = inputs[0]
        whole = np.trunc(x) if x.dtype.kind == "f" else x
        # NaN is in no range.
        inside = (whole >= 0) & (whole < self.input_dim)
        if not inside.all():
            raise InputError(
                f"embedding: expected ids from 0 to {self.input_dim - 1}, "
                f"got {whole[~inside][0]}"
            )
        return weights["embeddings"][whole.astype(np.intp)]

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise for (batch, time); there is no time in (batch,)."""
        return POINTWISE if len(shapes[0]) > 1 else ACROSS


class PReLU(Layer):
    """``max(x, 0) + alpha * min(x, 0)``, alpha trained; He et al. 2015.

    Args:
        shared_axes: axes along which one alpha serves all.
    """

    op = "prelu"
    shared_axes: tuple[int, ...] = ()

    def check(self) -> None:
        """The batch axis is always shared, and is not named."""
        check_minimum(self.op, "shared_axes", self.shared_axes, 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """alpha: the input's shape without batch, 1 along shared axes."""
        shared = {axis_of(axis, len(shapes[0])) for axis in self.shared_axes}
        axes = range(1, len(shapes[0]))
        return {"alpha": tuple(1 if i in shared else shapes[0][i] for i in axes)}

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        below: Array = weights["alpha"] * np.minimum(x, 0.0)
        return np.maximum(x, 0.0) + below

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where every time step has the same alpha."""
        return POINTWISE if 1 in self.shared_axes else ACROSS


LAYERS = {
    layer.op: layer
    for layer in (Activation, Dense, Embedding, Identity, Masking, PReLU)
}
