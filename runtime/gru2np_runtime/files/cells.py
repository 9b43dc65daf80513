"""Cells of a table as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gru2np_runtime.layer import Array


def is_number(cell: str) -> bool:
    """Whether the cell is one."""
    try:
        numbers([cell], np.dtype("float64"))
    except ValueError:
        return False
    return True


def numbers(cells: list[str], dtype: np.dtype[Any]) -> Array:
    """The cells as numbers.

    Raises:
        ValueError: one is none, or no whole number where ids are expected.
        OverflowError: the dtype does not hold it.
    """
    # Python reads 1_000 as a number; nobody who writes tables does.
    if "_" in "".join(cells):
        raise ValueError
    if dtype.kind == "f":
        # What the dtype cannot hold is infinite there, as for arrays.
        with np.errstate(over="ignore"):
            return np.array(list(map(float, cells)), "float64").astype(dtype)
    try:
        whole = list(map(int, cells))
    except ValueError:
        # Tables that had a hole once say 3.0 for 3.
        floats = list(map(float, cells))
        if not all(number.is_integer() for number in floats):
            raise
        whole = list(map(int, floats))
    least, most = (0, 1) if dtype.kind == "b" else _bounds(dtype)
    if whole and (min(whole) < least or max(whole) > most):
        raise OverflowError
    return np.array(whole, dtype)


def _bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
