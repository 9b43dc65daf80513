"""Embedding, Masking and the layers of one function."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import axes_of, breakpoints_of, function_of, keeps_whole
from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import (
    ACROSS,
    POINTWISE,
    Elementwise,
    Layer,
    no_products,
    stored,
)
from gru2np_runtime.layers.axes import (
    activated_shape,
    check_choice,
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.scores import MASKED_SCORES, masked_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class Activation(Layer):
    """One function of the whole input: Keras' Activation, ReLU, ELU, Softmax, ..."""

    op = "activation"
    rows_apart = True
    multiply_adds = no_products
    function: ActivationSpec

    @property
    def keeps_whole(self) -> bool:  # type: ignore[override]
        """Where the function gives whole numbers for whole numbers."""
        return keeps_whole(self.function)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's; ``glu`` halves an axis."""
        return (activated_shape(self.function, shapes[0]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return function_of(self.function)(inputs[0])

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for functions along the time axis."""
        return per_step_unless_time_in(axes_of(self.function), len(shapes[0]))

    def turns(self) -> tuple[float, ...]:
        """Those of the function."""
        return breakpoints_of(self.function)


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
    keeps_whole = True
    rows_apart = True
    multiply_adds = no_products
    compared = "mask_value"
    mask_value: float = 0.0

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, time, features)."""
        x = inputs[0]
        # No whole number equals a value with a fraction.
        kind = x.dtype.type if x.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):
            value = kind(self.mask_value)
        return np.where((x != value).any(axis=-1, keepdims=True), x, x.dtype.type(0))

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is not the features' axis."""
        return per_step_unless_time_in([-1], len(shapes[0]))


class Embedding(Layer):
    """Row number x of a table, for whole numbers x.

    Other numbers are cut off to whole ones, as in Keras.  Numbers outside of the
    table are an error, as on TensorFlow's CPU; Keras 3 takes negative ones from the
    table's end, other backends give NaN or the nearest row, and none means that.
    """

    op = "embedding"
    ids = "input_dim"
    keeps_dtype = True
    rows_apart = True
    storage_axes = stored(embeddings=0)
    multiply_adds = no_products
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


class Softmax(Layer):
    """Exponentials normalised over some axes, of which a mask leaves some out.

    Keras 3.15 ``keras/src/layers/activations/softmax.py``.

    Args:
        axes: normalised together.
        masked_scores: what is masked becomes; see ``_scores.MASKED_SCORES``.
    """

    op = "softmax"
    rows_apart = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    masked_scores: str = "added"

    def check(self) -> None:
        """There is an axis, and what masks do is known."""
        check_minimum(self.op, "axes", [len(self.axes)], 1)
        check_choice(self.op, "masked_scores", self.masked_scores, MASKED_SCORES)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's."""
        for axis in self.axes:
            normalize_axis(axis, len(shapes[0]))
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), mask of the same rank."""
        x = inputs[0]
        if mask is not None and mask.ndim != x.ndim:
            raise InputError(f"softmax: a mask of {mask.shape} for {x.shape}")
        return masked_softmax(x, mask, self.axes, self.masked_scores)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but along the time axis."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class ReversibleEmbedding(Embedding):
    """Rows of a table by their numbers, and back: how well a vector fits each row.

    Called with ids it is an Embedding.  A second input is turned back instead,
    ``x @ table.T``, and the first is not looked at: one layer, two uses, the same
    weights.  Keras 3.15 ``keras/src/layers/core/reversible_embedding.py``.

    Args:
        tie_weights: the way back uses the same table; else one of its own.
        logit_soft_cap: ``cap * tanh(x / cap)`` of what comes back; 0: not.
    """

    op = "reversible_embedding"
    storage_axes = stored(embeddings=0, reverse_embeddings=-1)
    takes_several = True
    tie_weights: bool = True
    logit_soft_cap: float = 0.0

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim), reverse_embeddings with axes swapped."""
        expected = super().weight_shapes(*shapes)
        if not self.tie_weights:
            expected["reverse_embeddings"] = (self.output_dim, self.input_dim)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., output_dim), or back (batch, ..., input_dim)."""
        if len(shapes) == 1:
            return super().output_shapes(*shapes)
        if len(shapes) > 2 or len(shapes[1]) < 2 or shapes[1][-1] != self.output_dim:
            raise ValueError(f"{self.op}: expected vectors to turn back, got {shapes}")
        return ((*shapes[1][:-1], self.input_dim),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """ids (batch, ...), or anything and vectors (batch, ..., output_dim)."""
        if len(inputs) == 1:
            return super().forward(weights, *inputs)
        tied = weights["embeddings"].T if self.tie_weights else None
        kernel = weights["reverse_embeddings"] if tied is None else tied
        logits: Array = inputs[1].astype(self.dtype, copy=False) @ kernel
        if not self.logit_soft_cap:
            return logits
        capped: Array = np.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return capped

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise; there is no time in (batch,) and in what is made of it."""
        return POINTWISE if len(shapes[-1]) > len(shapes) else ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Looking rows up is no product; the way back is one with the whole table."""
        return prod(outputs[0]) * self.output_dim if len(inputs) > 1 else 0


LAYERS = {
    layer.op: layer
    for layer in (
        Activation,
        Embedding,
        Identity,
        Masking,
        ReversibleEmbedding,
        Softmax,
    )
}
