"""Attention of one head without projections, and of several heads with projections."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import Unsupported
from gru2np_runtime.functions import sigmoid
from gru2np_runtime.layer import FEW, HEADS, Layer, across, stored
from gru2np_runtime.layers.axes import check_choice, check_minimum, element_count
from gru2np_runtime.layers.heads import (
    attended_axes_last,
    combine_heads,
    flatten_attended,
    project_heads,
)
from gru2np_runtime.layers.scores import (
    MASKED_SCORES,
    attend_in_chunks,
    causal_mask,
    expand_mask,
    masked_softmax,
    sliding_window_mask,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes


class Attention(Layer):
    """``softmax(score(query, key)) @ value``.

    The score is ``scale * (query . key)`` (``dot``), ``weight * sum(tanh(scale *
    (query + key)))`` (``concat``) or ``sum(scale * tanh(query + key))``
    (``additive``).  Luong et al. 2015, Bahdanau et al. 2015; Keras 3.15
    ``keras/src/layers/attention``.

    Args:
        score: ``dot``, ``concat`` or ``additive``.
        use_scale: use a trained scale: one number, or one per feature if ``additive``.
        causal: a query attends to keys up to its own position only.
        return_scores: return the softmax of the scores as the second output.
    """

    op = "attention"
    takes_several = True
    independent_rows = True
    storage_axes = stored(scale=FEW, concat_score_weight=FEW)
    over_time = across
    score: str = "dot"
    use_scale: bool = False
    causal: bool = False
    return_scores: bool = False

    def check(self) -> None:
        """The score is known."""
        check_choice(self.op, "score", self.score, ("dot", "concat", "additive"))

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """scale: () or (features,); concat_score_weight: ()."""
        expected: dict[str, Shape] = {}
        if self.use_scale:
            expected["scale"] = (shapes[0][-1],) if self.score == "additive" else ()
        if self.score == "concat":
            expected["concat_score_weight"] = ()
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., queries, value features), (batch, ..., queries, keys)."""
        if len(shapes) not in (2, 3) or len({len(shape) for shape in shapes}) > 1:
            raise ValueError(
                "attention: expected query, value and optionally key, of equal rank; "
                f"got {shapes}"
            )
        query, value, key = shapes[0], shapes[1], shapes[-1]
        if len(query) < 3:
            raise ValueError(
                f"attention: expected (batch, ..., steps, features), got {query}"
            )
        features = {query[-1], key[-1]} - ({1} if self.score != "dot" else set())
        if len(features - {None}) > 1:
            raise ValueError(
                f"attention: query {query} and key {key} differ in features, "
                "expected equal ones"
            )
        output = (*query[:-1], value[-1])
        return (output, (*query[:-1], key[-2])) if self.return_scores else (output,)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array | tuple[Array, ...]:
        """query (batch, queries, features), value, key; mask (batch, 1, keys).

        Only with ``return_scores`` are the scores of all samples in memory at once.
        """
        attend = partial(self.attend, weights)
        if self.return_scores:
            return attend(inputs, mask)
        query, key = inputs[0].shape, inputs[-1].shape
        size = math.prod(query[1:-1]) * key[-2]
        if self.score != "dot":
            size *= max(query[-1], key[-1])
        return attend_in_chunks(attend, inputs, mask, size)

    def attend(
        self, weights: Mapping[str, Array], inputs: Sequence[Array], mask: Array | None
    ) -> tuple[Array, Array]:
        """The output, and the softmax of the scores."""
        query, value, key = inputs[0], inputs[1], inputs[-1]
        scores = self.scores(weights, query, key)
        if self.causal:
            mask = causal_mask(mask, scores.shape[-2], scores.shape[-1])
        scores = masked_softmax(scores, mask, (-1,), "added", scores)
        return scores @ value, scores

    def scores(self, weights: Mapping[str, Array], query: Array, key: Array) -> Array:
        """Scores (..., queries, keys) of a query (..., queries, features)."""
        if self.score == "dot":
            product: Array = query @ key.swapaxes(-2, -1)
            return product * weights["scale"] if self.use_scale else product
        sums = query[..., :, None, :] + key[..., None, :, :]
        scale = weights.get("scale")
        if self.score == "additive":
            y = np.tanh(sums)
            total: Array = (y if scale is None else scale * y).sum(axis=-1)
            return total
        total = np.tanh(sums if scale is None else scale * sums).sum(axis=-1)
        return weights["concat_score_weight"] * total

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """queries * keys * (query features + value features), for each sample."""
        query, value, key = inputs[0], inputs[1], inputs[-1]
        return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


class MultiHeadAttention(Layer):
    """Attention of several heads, with projections of its inputs and its output.

    Vaswani et al. 2017, arXiv:1706.03762; with fewer heads for keys and values than
    for queries, Ainslie et al. 2023, arXiv:2305.13245; Keras 3.15
    ``keras/src/layers/attention``.

    Args:
        num_heads: number of query heads.
        key_value_heads: number of key and value heads, each shared by the same number
            of query heads; 0: as many as ``num_heads``.
        key_dim: size of each query and key head.
        value_dim: size of each value head.
        output_shape: shape of each step of the output; empty: the query's features.
        attention_axes: axes that are attended over together; empty: all but the batch
            and the features.
        use_bias: the projections have biases.
        use_gate: multiply the heads by a sigmoid of another projection of the query.
        sliding_window: a query attends to keys at a smaller distance only; 0: to all.
        causal: a query attends to keys up to its own position only.
        return_scores: return the softmax of the scores as the second output.
        masked_scores: treatment of masked scores, one of ``MASKED_SCORES``.
    """

    op = "multi_head_attention"
    takes_several = True
    independent_rows = True
    storage_axes = stored(
        **{
            f"{part}/{name}": reason
            for part in ("query", "key", "gate", "value", "attention_output")
            for name, reason in (("kernel", HEADS), ("bias", FEW))
        }
    )
    over_time = across
    num_heads: int
    key_dim: int
    value_dim: int
    key_value_heads: int = 0
    output_shape: tuple[int, ...] = ()
    attention_axes: tuple[int, ...] = ()
    use_bias: bool = True
    use_gate: bool = False
    sliding_window: int = 0
    causal: bool = False
    return_scores: bool = False
    masked_scores: str = "added"

    def check(self) -> None:
        """Sizes are at least 1, and query heads a multiple of key-value heads."""
        check_minimum(self.op, "num_heads", [self.num_heads], 1)
        check_minimum(self.op, "key_dim", [self.key_dim], 1)
        check_minimum(self.op, "value_dim", [self.value_dim], 1)
        check_minimum(self.op, "output_shape", self.output_shape, 1)
        check_minimum(self.op, "attention_axes", self.attention_axes, 1)
        check_minimum(self.op, "sliding_window", [self.sliding_window], 0)
        check_minimum(self.op, "key_value_heads", [self.key_value_heads], 0)
        check_choice(self.op, "masked_scores", self.masked_scores, MASKED_SCORES)
        if len(set(self.attention_axes)) != len(self.attention_axes):
            raise ValueError(
                f"{self.op}: expected different attention_axes, "
                f"got {self.attention_axes}"
            )
        if self.num_heads % self._key_value_heads():
            raise ValueError(
                f"{self.op}: expected num_heads to be a multiple of key_value_heads="
                f"{self.key_value_heads}, got {self.num_heads}"
            )

    def _key_value_heads(self) -> int:
        return self.key_value_heads or self.num_heads

    def _output_features(self, query: Shape) -> Shape:
        return self.output_shape or (query[-1],)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """query, key, gate, value: kernel (features, heads, size), bias (heads, size).

        attention_output: kernel (heads, size, *output), bias (*output).
        """
        query, value, key = shapes[0], shapes[1], shapes[-1]
        heads, key_value_heads = self.num_heads, self._key_value_heads()
        parts = {
            "query": (query[-1], heads, self.key_dim),
            "key": (key[-1], key_value_heads, self.key_dim),
            "gate": (query[-1], heads, self.value_dim),
            "value": (value[-1], key_value_heads, self.value_dim),
        }
        if not self.use_gate:
            del parts["gate"]
        expected: dict[str, Shape] = {}
        for name, shape in parts.items():
            expected[f"{name}/kernel"] = shape
            if self.use_bias:
                expected[f"{name}/bias"] = shape[1:]
        output = self._output_features(query)
        expected["attention_output/kernel"] = (heads, self.value_dim, *output)
        if self.use_bias:
            expected["attention_output/bias"] = output
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., *output_shape); (batch, ..., heads, queries, keys)."""
        query, key = shapes[0], shapes[-1]
        if len(shapes) not in (2, 3) or len({len(shape) for shape in shapes}) > 1:
            raise ValueError(
                f"{self.op}: expected query, value and optionally key, of equal rank; "
                f"got {shapes}"
            )
        axes = self.axes(len(query))
        if len(query) < 3 or any(axis > len(query) - 2 for axis in axes):
            raise ValueError(
                f"{self.op}: expected a query with attention axes {axes} before the "
                f"features, got {query}"
            )
        # Keras counts positions along axis 1, and fails with several axes.
        if axes != (1,) and (self.causal or self.sliding_window):
            raise Unsupported(
                f"{self.op}: causal or sliding_window is supported with the attention "
                f"axis 1 alone, got {axes}"
            )
        output = (*query[:-1], *self._output_features(query))
        if not self.return_scores:
            return (output,)
        others = [size for i, size in enumerate(query[:-1]) if i not in axes]
        query_sizes, key_sizes = [query[i] for i in axes], [key[i] for i in axes]
        return output, (*others, self.num_heads, *query_sizes, *key_sizes)

    def axes(self, rank: int) -> tuple[int, ...]:
        """The attention axes for inputs of this rank."""
        return self.attention_axes or tuple(range(1, rank - 1))

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array | tuple[Array, ...]:
        """query (batch, ..., features), value, key; mask (batch, queries, keys)."""
        attend = partial(self.attend, weights)
        if self.return_scores:
            return attend(inputs, mask)
        keys = math.prod(inputs[-1].shape[axis] for axis in self.axes(inputs[-1].ndim))
        size = self.num_heads * math.prod(inputs[0].shape[1:-1]) * keys
        return attend_in_chunks(attend, inputs, mask, size)

    def attend(
        self, weights: Mapping[str, Array], inputs: Sequence[Array], mask: Array | None
    ) -> tuple[Array, Array]:
        """The output, and the softmax of the scores."""
        axes = self.axes(inputs[0].ndim)
        query = self._heads(weights, "query", inputs[0])
        key = self._heads(weights, "key", inputs[-1])
        value = self._heads(weights, "value", inputs[1])
        query_sizes = tuple(query.shape[axis] for axis in axes)
        key_sizes = tuple(key.shape[axis] for axis in axes)
        # (batch, ..., heads, queries, size), with the attention axes in one.
        query, key, value = (flatten_attended(x, axes) for x in (query, key, value))
        np.multiply(query, 1.0 / math.sqrt(self.key_dim), out=query)
        scores = query @ key.swapaxes(-2, -1)
        scores = scores.reshape(*scores.shape[:-2], *query_sizes, *key_sizes)
        mask = self._mask(mask, scores.ndim, query_sizes, key_sizes)
        key_axes = tuple(range(-len(axes), 0))
        scores = masked_softmax(scores, mask, key_axes, self.masked_scores, scores)
        batch = scores.shape[: -2 * len(axes)]
        queries, keys = math.prod(query_sizes), math.prod(key_sizes)
        y = scores.reshape(*batch, queries, keys) @ value
        y = y.reshape(*y.shape[:-2], *query_sizes, self.value_dim)
        order = attended_axes_last(y.ndim, axes)
        y = y.transpose([order.index(axis) for axis in range(y.ndim)])
        if self.use_gate:
            y = y * sigmoid(project_heads(weights, "gate", inputs[0]))
        return combine_heads(weights, y), scores

    def _heads(self, weights: Mapping[str, Array], name: str, x: Array) -> Array:
        """x projected to (batch, ..., num_heads, size), shared heads repeated."""
        y = project_heads(weights, name, x)
        heads = y.shape[-2]
        return y if heads == self.num_heads else y.repeat(self.num_heads // heads, -2)

    def _mask(
        self,
        mask: Array | None,
        rank: int,
        query_sizes: tuple[int, ...],
        key_sizes: tuple[int, ...],
    ) -> Array | None:
        """The mask in the rank of the scores, with causal and window limits."""
        if mask is not None:
            mask = expand_mask(mask, rank, 2 * len(query_sizes))
        queries, keys = query_sizes[0], key_sizes[0]
        if self.causal:
            mask = causal_mask(mask, queries, keys)
        if self.sliding_window:
            mask = sliding_window_mask(mask, queries, keys, self.sliding_window)
        return mask

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The projections, then heads * queries * keys * (key_dim + value_dim)."""
        query, value, key = inputs[0], inputs[1], inputs[-1]
        kernels = self.weight_shapes(*inputs)
        total = math.prod(query[:-1]) * element_count(
            kernels["attention_output/kernel"]
        )
        steps = {"query": query, "gate": query, "key": key, "value": value}
        for part, shape in steps.items():
            if f"{part}/kernel" in kernels:
                total += math.prod(shape[:-1]) * element_count(
                    kernels[f"{part}/kernel"]
                )
        axes = self.axes(len(query))
        batch = math.prod(n for i, n in enumerate(query[:-1]) if i not in axes)
        pairs = math.prod(query[i] for i in axes) * math.prod(key[i] for i in axes)
        return total + batch * pairs * self.num_heads * (self.key_dim + self.value_dim)


LAYERS = {layer.op: layer for layer in (Attention, MultiHeadAttention)}
