"""Attention of several heads without weights, as one operation."""

from __future__ import annotations

import math
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.functions import softmax
from gru2np_runtime.layer import ACROSS
from gru2np_runtime.layers.operation import Operation, check_floats
from gru2np_runtime.layers.scores import causal_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes


class DotProductAttention(Operation):
    """``softmax(query . key * scale + bias) . value`` for each head.

    ``keras/src/backend/*/nn.py``, dot_product_attention.  Inputs: query (batch,
    queries, heads, size), key and value (batch, keys, heads, size) with as many heads,
    one, or a divisor of them; then perhaps a bias and a mask that broadcast to (batch,
    heads, queries, keys).

    Args:
        scale: of the scores; empty for ``1 / sqrt(size)``.
        causal: a query attends to keys up to its own position only.
        has_bias: there is a bias.
        has_mask: there is a mask, booleans; True for scores that count.
    """

    op = "dot_product_attention"
    takes_several = True
    scale: tuple[float, ...] = ()
    causal: bool = False
    has_bias: bool = False
    has_mask: bool = False

    def check(self) -> None:
        """There is one scale at most."""
        if len(self.scale) > 1:
            raise ValueError(f"dot_product_attention: scale is {self.scale}")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, queries, heads, size of the value)."""
        count = 3 + self.has_bias + self.has_mask
        if len(shapes) != count or any(len(shape) != 4 for shape in shapes):
            raise ValueError(
                f"dot_product_attention: expected {count} inputs of 4 axes, "
                f"got {shapes}"
            )
        query, key, value = shapes[:3]
        if key[3] not in (None, query[3]) and query[3] is not None:
            raise ValueError(f"dot_product_attention: sizes of {query} and {key}")
        for pair in ((key[1], value[1]), (key[2], value[2])):
            if None not in pair and pair[0] != pair[1]:
                raise ValueError(f"dot_product_attention: {key} and {value}")
        heads, few = query[2], key[2]
        if heads is None or few is None or heads % few:
            raise ValueError(f"dot_product_attention: heads of {query} and {key}")
        return ((*query[:3], value[3]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of query, key and value, which must be the same float."""
        floats = dtypes[: 3 + self.has_bias]
        if len(set(floats)) > 1:
            raise ValueError(
                f"dot_product_attention: {' and '.join(floats)} are not supported"
            )
        check_floats(self.op, dtypes[0])
        if self.has_mask and dtypes[-1] != "bool":
            raise ValueError(
                f"dot_product_attention: expected a mask of bool, got {dtypes[-1]}"
            )
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """query, key, value, and perhaps a bias and a mask."""
        self.output_shapes(*(x.shape for x in inputs))
        query, key, value = (x.transpose(0, 2, 1, 3) for x in inputs[:3])
        if key.shape[1] not in (1, query.shape[1]):
            groups = query.shape[1] // key.shape[1]
            key, value = (np.repeat(x, groups, axis=1) for x in (key, value))
        dtype = query.dtype.type
        scale = dtype(
            self.scale[0] if self.scale else 1 / math.sqrt(key.shape[-1] or 1)
        )
        scores = np.matmul(query, key.swapaxes(-1, -2)) * scale
        try:
            if self.has_bias:
                scores = scores + inputs[3]
            valid = inputs[-1] if self.has_mask else None
            if self.causal:
                valid = causal_mask(valid, *scores.shape[-2:])
            if valid is not None:
                # Keras' large negative number, of which softmax makes equal shares if
                # all scores are masked.
                masked = dtype(np.finfo(scores.dtype).min * 0.7)
                scores = np.where(valid, scores, masked)
        except ValueError:
            shapes = ", ".join(str(x.shape) for x in inputs)
            raise InputError(
                f"dot_product_attention: shapes {shapes} do not fit together"
            ) from None
        y = np.matmul(softmax(scores, (-1,), None), value)
        return np.ascontiguousarray(y.transpose(0, 2, 1, 3))

    def over_time(self, *shapes: Shape) -> str:
        """All time steps at once."""
        return ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Scores, and their products with the values."""
        batch, queries, heads, size = inputs[0]
        _, keys, _, of_value = inputs[2]
        return prod((batch, heads, queries, keys)) * (size + of_value)


LAYERS = {layer.op: layer for layer in (DotProductAttention,)}
