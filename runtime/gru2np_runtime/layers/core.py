"""Embedding, Masking and the layers of one function."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import (
    axes_of,
    breakpoints_of,
    function_of,
    keeps_integers,
)
from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import (
    ACROSS,
    FEW,
    PER_STEP,
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
from gru2np_runtime.layers.quantized import (
    WHOLE,
    check_features,
    check_range,
    descaled,
    exact_product,
    quantized,
)
from gru2np_runtime.layers.scores import MASKED_SCORES, masked_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class Activation(Layer):
    """An activation function of the input: Keras' Activation, ReLU, ELU, ..."""

    op = "activation"
    independent_rows = True
    multiply_adds = no_products
    function: ActivationSpec

    @property
    def keeps_integers(self) -> bool:  # type: ignore[override]
        """Whether integers stay integers in the function."""
        return keeps_integers(self.function)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape; ``glu`` halves an axis."""
        return (activated_shape(self.function, shapes[0]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return function_of(self.function)(inputs[0])

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the function works along the time axis."""
        return per_step_unless_time_in(axes_of(self.function), len(shapes[0]))

    def breakpoints(self) -> tuple[float, ...]:
        """The breakpoints of the function."""
        return breakpoints_of(self.function)


class Identity(Elementwise):
    """The input unchanged: Dropout, noise and activity penalties at inference."""

    op = "identity"
    keeps_dtype = True

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), returned as it is."""
        return inputs[0]


class Masking(Layer):
    """Zeros for the steps whose features all equal ``mask_value``.

    The mask itself is computed by a ``not_equal`` and an ``any`` node of the graph.
    """

    op = "masking"
    keeps_integers = True
    independent_rows = True
    multiply_adds = no_products
    compares_with = "mask_value"
    mask_value: float = 0.0

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, time, features)."""
        x = inputs[0]
        # Integers are compared in float64: none equals a value with a fraction.
        dtype = x.dtype.type if x.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):
            value = dtype(self.mask_value)
        return np.where((x != value).any(axis=-1, keepdims=True), x, x.dtype.type(0))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless axis 1 is the features axis."""
        return per_step_unless_time_in([-1], len(shapes[0]))


class Embedding(Layer):
    """Row ``x`` of a table, for ids x.

    Ids with a fraction are truncated, as in Keras.  Ids outside of the table are an
    error, as on TensorFlow's CPU.  Keras 3 counts negative ids from the end of the
    table, and other backends give NaN or the nearest row, but no model relies on it.
    """

    op = "embedding"
    ids = "input_dim"
    keeps_dtype = True
    independent_rows = True
    storage_axes = stored(embeddings=0)
    multiply_adds = no_products
    input_dim: int
    output_dim: int

    def check(self) -> None:
        """The table has at least one row and one column."""
        check_minimum(self.op, "input_dim", [self.input_dim], 1)
        check_minimum(self.op, "output_dim", [self.output_dim], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim)."""
        return {"embeddings": (self.input_dim, self.output_dim)}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., output_dim)."""
        return ((*shapes[0], self.output_dim),)

    def result_dtype(self) -> str | None:
        """The dtype of the table, for any dtype of the ids."""
        return self.dtype

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...) of any dtype, to (batch, ..., output_dim)."""
        x = inputs[0]
        ids = np.trunc(x) if x.dtype.kind == "f" else x
        # Refuses NaN too.
        valid = (ids >= 0) & (ids < self.input_dim)
        if not valid.all():
            raise InputError(
                f"embedding: expected ids from 0 to {self.input_dim - 1}, "
                f"got {ids[~valid][0]}: the table has a row for each id from 0 to "
                f"input_dim={self.input_dim}, that one left out"
            )
        return weights["embeddings"][ids.astype(np.intp)]

    def over_time(self, *shapes: Shape) -> str:
        """Per step for (batch, time, ...); an input (batch,) has no time axis."""
        return PER_STEP if len(shapes[0]) > 1 else ACROSS


class Softmax(Layer):
    """The softmax over one or more axes, with an optional mask.

    Keras 3.15 ``keras/src/layers/activations/softmax.py``.

    Args:
        axes: the axes, normalized together.
        masked_scores: treatment of masked elements, one of ``scores.MASKED_SCORES``.
    """

    op = "softmax"
    independent_rows = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    masked_scores: str = "added"

    def check(self) -> None:
        """There is an axis, and masked_scores is a known treatment."""
        check_minimum(self.op, "axes", [len(self.axes)], 1)
        check_choice(self.op, "masked_scores", self.masked_scores, MASKED_SCORES)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape."""
        for axis in self.axes:
            normalize_axis(axis, len(shapes[0]))
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...); mask: of the same rank, True where valid."""
        x = inputs[0]
        if mask is not None and mask.ndim != x.ndim:
            raise InputError(
                f"softmax: expected a mask of rank {x.ndim} as the input, "
                f"got shape {mask.shape}"
            )
        return masked_softmax(x, mask, self.axes, self.masked_scores)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the time axis is one of the axes."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class ReversibleEmbedding(Embedding):
    """An Embedding that can also map vectors to logits over its rows.

    With one input, ids, it is an Embedding.  With two inputs it computes the logits
    ``x @ table.T`` of the second and ignores the first.  Keras 3.15
    ``keras/src/layers/core/reversible_embedding.py``.

    Args:
        tie_weights: logits use the table of the embedding; else a second table.
        logit_soft_cap: logits become ``cap * tanh(x / cap)``; 0: no cap.
    """

    op = "reversible_embedding"
    storage_axes = stored(embeddings=0, reverse_embeddings=-1)
    takes_several = True
    tie_weights: bool = True
    logit_soft_cap: float = 0.0

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim), and reverse_embeddings if not tied.

        reverse_embeddings: (output_dim, input_dim).
        """
        expected = super().weight_shapes(*shapes)
        if not self.tie_weights:
            expected["reverse_embeddings"] = (self.output_dim, self.input_dim)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., output_dim); with two inputs (batch, ..., input_dim)."""
        if len(shapes) == 1:
            return super().output_shapes(*shapes)
        if len(shapes) > 2 or len(shapes[1]) < 2 or shapes[1][-1] != self.output_dim:
            raise ValueError(
                f"{self.op}: expected ids and vectors (batch, ..., {self.output_dim}), "
                f"got {shapes}"
            )
        return ((*shapes[1][:-1], self.input_dim),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """ids (batch, ...); or any input and vectors (batch, ..., output_dim)."""
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
        """Per step; ids (batch,) and vectors (batch, output_dim) have no time axis."""
        return PER_STEP if len(shapes[-1]) > len(shapes) else ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """0 for ids; for logits, elements of the output * ``output_dim``."""
        return prod(outputs[0]) * self.output_dim if len(inputs) > 1 else 0


class QuantizedReversibleEmbedding(ReversibleEmbedding):
    """A ReversibleEmbedding of whole numbers, whose logits quantise their inputs.

    Row ``i`` of the table is ``embeddings[i] / embeddings_scale[i]``.  Keras 3.15
    ``keras/src/layers/core/reversible_embedding.py``, ``_int8_call``.

    Args:
        low: the least whole number for inputs.
        high: the greatest.
        epsilon: added to the largest input of a row, so that no scale is infinite.
    """

    op = "quantized_reversible_embedding"
    storage_axes = stored(
        embeddings=WHOLE,
        embeddings_scale=FEW,
        reverse_embeddings=WHOLE,
        reverse_embeddings_scale=FEW,
    )
    low: float
    high: float
    epsilon: float

    def check(self) -> None:
        """The table has a row and a column, and the range is legal."""
        super().check()
        check_range(self)
        check_features(self.op, self.output_dim)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim), embeddings_scale (input_dim,).

        If not tied, also reverse_embeddings (output_dim, input_dim) and
        reverse_embeddings_scale (input_dim,).
        """
        expected: dict[str, Shape] = {}
        for name, shape in super().weight_shapes(*shapes).items():
            expected[name] = shape
            expected[f"{name}_scale"] = (self.input_dim,)
        return expected

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """ids (batch, ...); or any input and vectors (batch, ..., output_dim)."""
        table, scales = weights["embeddings"], weights["embeddings_scale"]
        if len(inputs) == 1:
            rows: Array = super().forward(weights, *inputs)
            by_row = {"embeddings": scales[:, None]}
            return rows / super().forward(by_row, *inputs)
        x = inputs[1].astype(self.dtype, copy=False)
        kernel = table.T if self.tie_weights else weights["reverse_embeddings"]
        if not self.tie_weights:
            scales = weights["reverse_embeddings_scale"]
        numbers, scale = quantized(x.reshape(-1, self.output_dim), (-1,), self)
        y = descaled(exact_product(numbers, kernel), scale * scales)
        logits = y.reshape(*x.shape[:-1], self.input_dim)
        if not self.logit_soft_cap:
            return logits
        capped: Array = np.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return capped


LAYERS = {
    layer.op: layer
    for layer in (
        Activation,
        Embedding,
        Identity,
        Masking,
        QuantizedReversibleEmbedding,
        ReversibleEmbedding,
        Softmax,
    )
}
