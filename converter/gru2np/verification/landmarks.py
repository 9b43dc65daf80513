"""Landmarks: breakpoints and special values of layers, and their neighbours.

A layer states its breakpoints (``Layer.breakpoints``) and its vocabulary or mask value
(``Layer.special_values``).  Inputs on both sides of a breakpoint show whether both
programs change their formula at the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gru2np.ir import Array
    from gru2np.verification.input_usage import Usage


# Half precision rounds a float32 number and its neighbours to one number.
COARSE = 2.0**-5


def pool(usage: Usage, dtype: str, *, half: bool) -> Array:
    """The landmarks of an input, sorted, without repetitions.

    These are the breakpoints and special values of the layers that read it; the nearest
    number on each side of them; and others on both sides, at half and at twice the
    distance from 0.

    Args:
        usage: how the model uses the input.
        dtype: of the input.
        half: whether Keras computes in half precision.
    """
    numbers = [*usage.breakpoints, *usage.mask_values]
    # Another case draws every id, the one that marks padding included.
    only_padding = usage.rows is not None and not usage.breakpoints
    if dtype == "bool" or not (usage.vocabulary or (numbers and not only_padding)):
        return np.zeros((0,), dtype)
    values = _in_dtype([*numbers, *usage.vocabulary], dtype)
    near = _near_integers(values) if values.dtype.kind in "iu" else _near(values, half)
    return legal(usage, np.unique(near))


def legal(usage: Usage, numbers: Array) -> Array:
    """The numbers that no layer refuses which reads the input."""
    if usage.only_vocabulary:
        return np.intersect1d(numbers, _in_dtype(usage.vocabulary, numbers.dtype.name))
    if usage.rows is not None:
        numbers = numbers[numbers >= 0]
    return numbers if usage.limit is None else numbers[numbers < usage.limit]


def out_of_vocabulary(usage: Usage, dtype: str) -> Array:
    """Integers near those of a vocabulary that are not in it."""
    vocabulary = _in_dtype(usage.vocabulary, dtype)
    near = np.concatenate([_near_integers(vocabulary), np.arange(10).astype(dtype)])
    return np.setdiff1d(near, vocabulary)


def _in_dtype(values: Iterable[float], dtype: str) -> Array:
    """The numbers that a dtype can hold; for an integer dtype truncated."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            array = np.array([float(v) for v in values], np.float64).astype(kind)
        return np.asarray(array[np.isfinite(array)])
    limits = np.iinfo(kind)
    # For integers a breakpoint at 3.5 is between 3 and 4.
    integers = [int(v) for v in values if abs(v) < 2**63]
    return np.array([v for v in integers if limits.min <= v <= limits.max], kind)


def _near(values: Array, half: bool) -> Array:
    one = values.dtype.type(1)
    if half:
        away = np.maximum(np.abs(values), one) * values.dtype.type(COARSE)
        below, above = values - away, values + away
        values = values[:0]
    else:
        tiny = np.where(values == 0, np.finfo(values.dtype).tiny, 0)
        below = np.where(values == 0, -tiny, np.nextafter(values, -np.inf))
        above = np.where(values == 0, tiny, np.nextafter(values, np.inf))
    sides = [below, values, above, below * 2, above * 2, below / 2, above / 2]
    near = np.concatenate([*sides, below - one, above + one]).astype(values.dtype)
    # TensorFlow flushes subnormal numbers to 0, NumPy does not.
    normal = (near == 0) | (np.abs(near) >= np.finfo(near.dtype).tiny)
    return np.asarray(near[np.isfinite(near) & normal])


def _near_integers(values: Array) -> Array:
    limits = np.iinfo(values.dtype)
    below = values[values > limits.min] - 1
    above = values[values < limits.max] + 1
    return np.concatenate([values, below, above]).astype(values.dtype)
