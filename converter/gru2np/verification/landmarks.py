"""Boundary values of inputs: members, bounds and caps of layers, and their neighbours.

A layer with a breakpoint at 3.5 states it (``Layer.breakpoints``; a vocabulary or a
mask value, ``Layer.special_values``).  From such a number the inputs are made that show
on which side of it an output was computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gru2np.ir import Array
    from gru2np.verification.input_usage import Usage


# In half precision a number of float32 and its neighbours are one.
COARSE = 2.0**-5


def pool(usage: Usage, dtype: str, *, half: bool) -> Array:
    """The numbers that an input has to hold, in rising order, none twice.

    Those that its readers name; the nearest numbers on both sides of each; others on
    both sides, half as far from 0 and twice.

    Args:
        usage: what is made of the input.
        dtype: its number type.
        half: Keras computes in half precision.
    """
    named = [*usage.turns, *usage.mask_values]
    # That an id marks padding is tried with every id.
    only_padding = usage.rows is not None and not usage.turns
    if dtype == "bool" or not (usage.known or (named and not only_padding)):
        return np.zeros((0,), dtype)
    known = _in_dtype(usage.known, dtype)
    values = np.concatenate([_in_dtype(named, dtype), known])
    near = _near_whole if values.dtype.kind in "iu" else _near
    return legal(usage, np.unique(near(values, half)))


def legal(usage: Usage, numbers: Array) -> Array:
    """Those of the numbers that are no error in what is made of the input."""
    if usage.only_known:
        return np.intersect1d(numbers, _in_dtype(usage.known, numbers.dtype.name))
    if usage.rows is not None:
        numbers = numbers[numbers >= 0]
    return numbers if usage.limit is None else numbers[numbers < usage.limit]


def strangers(usage: Usage, dtype: str) -> Array:
    """Whole numbers beside those that a vocabulary holds, and none of them."""
    known = _in_dtype(usage.known, dtype)
    found = np.concatenate([_near_whole(known, False), np.arange(10).astype(dtype)])
    return np.setdiff1d(found, known)


def _in_dtype(values: Iterable[float], dtype: str) -> Array:
    """Those of the numbers that the type can hold; whole ones exactly."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            array = np.array([float(v) for v in values], np.float64).astype(kind)
        return np.asarray(array[np.isfinite(array)])
    limits = np.iinfo(kind)
    # Between 3 and 4 turns what turns at 3.5.
    whole = [int(v) for v in values if abs(v) < 2**63]
    return np.array([v for v in whole if limits.min <= v <= limits.max], kind)


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
    found = np.concatenate([*sides, below - one, above + one]).astype(values.dtype)
    # What is smaller is 0 to TensorFlow, though not to NumPy.
    normal = (found == 0) | (np.abs(found) >= np.finfo(found.dtype).tiny)
    return np.asarray(found[np.isfinite(found) & normal])


def _near_whole(values: Array, half: bool) -> Array:
    del half  # ids are no numbers to round
    limits = np.iinfo(values.dtype)
    below = values[values > limits.min] - 1
    above = values[values < limits.max] + 1
    return np.concatenate([values, below, above]).astype(values.dtype)
