"""Patterns of padding: which steps of an input are masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.ir import Array
    from gru2np.verification.input_usage import Usage

    # Marks masked steps in a boolean array (rows, steps).
    Pattern = Callable[[np.random.Generator, Array], None]


def mask(
    rng: np.random.Generator, array: Array, usage: Usage, pattern: Pattern, number: int
) -> None:
    """Mark steps of an input as padding; rows use its mask values in turn.

    Args:
        rng: the source of randomness.
        array: the input, (rows, steps, ...), changed in place.
        usage: its mask values; for booleans the mask value is False.
        pattern: chooses the steps.
        number: of the input, so that several inputs begin with different values.
    """
    masked = np.zeros(array.shape[:2], bool)
    pattern(rng, masked)
    for row in range(len(array)):
        if array.dtype == bool:
            array[row, masked[row]] = False
        else:
            values = usage.mask_values
            array[row, masked[row]] = values[(row + number) % len(values)]


def _right(rng: np.random.Generator, masked: Array) -> None:
    """The first row without padding, each other row of another length."""
    rows, steps = masked.shape
    for row in range(1, rows):
        masked[row, rng.integers(1, steps + 1) :] = True


def _left(rng: np.random.Generator, masked: Array) -> None:
    _right(rng, masked[:, ::-1])


def _holes(rng: np.random.Generator, masked: Array) -> None:
    """About every third step, but never every step of a row."""
    rows, steps = masked.shape
    masked[:] = rng.random(masked.shape) < 1 / 3
    masked[np.arange(rows), rng.integers(0, steps, rows)] = False


def _whole(rng: np.random.Generator, masked: Array) -> None:
    """Every other row, from the first; the others padded on the right."""
    _right(rng, masked)
    masked[::2] = True


PATTERNS: dict[str, tuple[str, Pattern]] = {
    "padded-right": ("steps masked at the end", _right),
    "padded-left": ("steps masked at the beginning", _left),
    "holes": ("steps masked inside", _holes),
    "masked-rows": ("every step of some rows masked", _whole),
}
