"""Scores of which some are masked, normalised: what attention and Softmax share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._functions import softmax

if TYPE_CHECKING:
    from gru2np_runtime._layer import Array

# What stands for a score that is masked, beside scores of any size.
MASKED = -1e9
# ``added`` to the score; in place of it (``replaced``); and, ``zeroed``, with weights
# of zero even where every score is masked.
MASKED_SCORES = ("added", "replaced", "zeroed")


def masked_softmax(
    x: Array, mask: Array | None, axes: tuple[int, ...], how: str
) -> Array:
    """The softmax of scores, of which some are masked.

    Args:
        x: scores.
        mask: booleans of the same rank, True where a score counts; None: everywhere.
        axes: the axes that are normalised together.
        how: one of ``MASKED_SCORES``.
    """
    if mask is None:
        return softmax(x, axes)
    masked = x + x.dtype.type(MASKED) if how == "added" else x.dtype.type(MASKED)
    scores = np.where(mask, x, masked)
    y = softmax(scores, axes) if len(axes) == 1 else _exponential(scores, axes)
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


def causal(mask: Array | None, steps: int, seen: int) -> Array:
    """The mask, and of every query only the keys up to its own position."""
    below = np.tri(steps, seen, dtype=bool)
    return below if mask is None else mask & below
