"""Softmax with a mask, shared by attention and Softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.functions import softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.layer import Array

# Scores in memory at once, 256 KB in float32, or those of one sample if they are more.
SCORES = 1 << 16
# The number that a masked score is lowered by or replaced with.
MASKED = -1e9
# Treatments of masked scores: MASKED is ``added``; the score is ``replaced`` by MASKED;
# or replaced, and the softmax ``zeroed`` even where all scores are masked.
MASKED_SCORES = ("added", "replaced", "zeroed")


def masked_softmax(
    x: Array,
    mask: Array | None,
    axes: tuple[int, ...],
    masked_scores: str,
    out: Array | None = None,
) -> Array:
    """The softmax of scores with a mask.

    Args:
        x: scores.
        mask: booleans of the same rank, True for valid scores; None: all are valid.
        axes: the axes that are normalized together.
        masked_scores: one of ``MASKED_SCORES``.
        out: x itself, if nothing else refers to it: the result may overwrite it.
    """
    if mask is None:
        return softmax(x, axes, out)
    added = masked_scores == "added"
    masked = x + x.dtype.type(MASKED) if added else x.dtype.type(MASKED)
    scores = np.where(mask, x, masked)
    one = len(axes) == 1
    y = softmax(scores, axes, scores) if one else _softmax_by_logsumexp(scores, axes)
    return np.where(mask, y, y.dtype.type(0)) if masked_scores == "zeroed" else y


def _softmax_by_logsumexp(x: Array, axes: tuple[int, ...]) -> Array:
    """The softmax over several axes, in the order of Keras' operations.

    Where all scores are masked, the logarithm vanishes beside -1e9 in rounding, so
    that every result is 1.
    """
    largest = x.max(axis=axes, keepdims=True, initial=-math.inf)
    total = np.exp(x - largest).sum(axis=axes, keepdims=True)
    y: Array = np.exp(x - (largest + np.log(total)))
    return y


def attend_in_chunks(
    attend: Callable[[Sequence[Array], Array | None], tuple[Array, Array]],
    inputs: Sequence[Array],
    mask: Array | None,
    size: int,
) -> Array:
    """The output of attention, computed for a few samples at a time.

    The scores of these samples fit into the processor's cache.

    Args:
        attend: computes the output and the scores from inputs and their mask.
        inputs: (batch, ...).
        mask: (batch or 1, ...).
        size: intermediate numbers, such as scores, for one sample.
    """
    batch = inputs[0].shape[0]
    samples = max(1, SCORES // max(1, size))
    if samples >= batch or any(x.shape[0] != batch for x in inputs):
        return attend(inputs, mask)[0]
    outputs = []
    for first in range(0, batch, samples):
        rows = slice(first, first + samples)
        row_mask = mask if mask is None or mask.shape[0] == 1 else mask[rows]
        outputs.append(attend([x[rows] for x in inputs], row_mask)[0])
    return np.concatenate(outputs)


def expand_mask(mask: Array, rank: int, last: int) -> Array:
    """The mask in the rank of the scores: new axes go before the ``last`` axes."""
    missing = (1,) * (rank - mask.ndim)
    return mask.reshape(*mask.shape[:-last], *missing, *mask.shape[-last:])


def causal_mask(mask: Array | None, queries: int, keys: int) -> Array:
    """The mask, without keys after the position of the query."""
    below = np.tri(queries, keys, dtype=bool)
    return below if mask is None else mask & below


def sliding_window_mask(
    mask: Array | None, queries: int, keys: int, window: int
) -> Array:
    """The mask, without keys at a distance of ``window`` or more from the query."""
    near: Array = np.abs(np.arange(queries)[:, None] - np.arange(keys)) < window
    return near if mask is None else mask & near
