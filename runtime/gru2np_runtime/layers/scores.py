"""Scores of which some are masked, normalised: what attention and Softmax share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.functions import softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.layer import Array

# Scores that are held at once, 256 KB in float32; those of a sample at least.
SCORES = 1 << 16
# What stands for a score that is masked, beside scores of any size.
MASKED = -1e9
# ``added`` to the score; in place of it (``replaced``); and, ``zeroed``, with weights
# of zero even where every score is masked.
MASKED_SCORES = ("added", "replaced", "zeroed")


def masked_softmax(
    x: Array,
    mask: Array | None,
    axes: tuple[int, ...],
    how: str,
    out: Array | None = None,
) -> Array:
    """The softmax of scores, of which some are masked.

    Args:
        x: scores.
        mask: booleans of the same rank, True where a score counts; None: everywhere.
        axes: the axes that are normalised together.
        how: one of ``MASKED_SCORES``.
        out: x itself, where nobody else holds it: its memory is used if it can be.
    """
    if mask is None:
        return softmax(x, axes, out)
    masked = x + x.dtype.type(MASKED) if how == "added" else x.dtype.type(MASKED)
    scores = np.where(mask, x, masked)
    one = len(axes) == 1
    y = softmax(scores, axes, scores) if one else _exponential(scores, axes)
    return np.where(mask, y, y.dtype.type(0)) if how == "zeroed" else y


def _exponential(x: Array, axes: tuple[int, ...]) -> Array:
    """The softmax over several axes, in the order of Keras' own operations.

    Beside scores of -1e9 the logarithm is lost in rounding, so that where all are
    masked every weight is 1.
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
    """Attention of a few samples at a time, whose scores stay in the cache.

    Args:
        attend: gives the output and the scores of inputs and their mask.
        inputs: (batch, ...).
        mask: (batch or 1, ...).
        size: how many numbers stand between the two for one sample.
    """
    batch = inputs[0].shape[0]
    samples = max(1, SCORES // max(1, size))
    if samples >= batch or any(x.shape[0] != batch for x in inputs):
        return attend(inputs, mask)[0]
    parts = []
    for first in range(0, batch, samples):
        now = slice(first, first + samples)
        own = mask if mask is None or mask.shape[0] == 1 else mask[now]
        parts.append(attend([x[now] for x in inputs], own)[0])
    return np.concatenate(parts)


def expand_mask(mask: Array, rank: int, attended: int) -> Array:
    """The mask in the rank of the scores; new axes stand before the last, attended."""
    missing = (1,) * (rank - mask.ndim)
    return mask.reshape(*mask.shape[:-attended], *missing, *mask.shape[-attended:])


def causal_mask(mask: Array | None, steps: int, seen: int) -> Array:
    """The mask, and of every query only the keys up to its own position."""
    below = np.tri(steps, seen, dtype=bool)
    return below if mask is None else mask & below


def sliding_window_mask(
    mask: Array | None, steps: int, seen: int, window: int
) -> Array:
    """The mask, and of every query only the keys less than a window away."""
    near: Array = np.abs(np.arange(steps)[:, None] - np.arange(seen)) < window
    return near if mask is None else mask & near
