"""What operations share: shapes broadcast, and number types that meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, POINTWISE, Layer, no_products

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.layer import Array, Shape

# Kinds of constants that yield to a tensor, from the lowest.
YIELDING = ("bool", "int", "float")


class Operation(Layer):
    """An operation that takes its inputs as they are, and time step by time step."""

    keeps_dtype = True
    casts_floats = False
    rows_apart = True
    multiply_adds = no_products

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where the time axes stand side by side."""
        ranks = {len(shape) for shape in shapes}
        return POINTWISE if len(ranks) == 1 and ranks != {1} else ACROSS


def broadcast_shape(op: str, shapes: Sequence[Shape]) -> Shape:
    """The shape of tensors of one rank that are broadcast; axis 0 is the batch.

    Raises:
        ValueError: they do not fit together.
    """
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(
            f"{op}: shapes {', '.join(map(str, shapes))} differ in rank, so that the "
            "batch of one would meet another axis of the other"
        )
    sizes = []
    for each in zip(*shapes):
        several = {size for size in each if size != 1}
        known = several - {None}
        if len(known) > 1:
            raise ValueError(f"{op}: shapes {shapes} do not fit together")
        sizes.append(known.pop() if known else None if several else 1)
    return tuple(sizes)


def broadcastable(op: str, arrays: Sequence[Array]) -> Sequence[Array]:
    """The arrays, once it is sure that they can be broadcast.

    Raises:
        InputError: they cannot.
    """
    try:
        np.broadcast_shapes(*(x.shape for x in arrays))
    except ValueError:
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise InputError(f"{op}: shapes {shapes} do not fit together") from None
    return arrays


def common_dtype(op: str, dtypes: Sequence[str], floating: str) -> str:
    """The dtype in which numbers of these types meet, as Keras 3 has it.

    Args:
        op: for messages.
        dtypes: dtypes, and ``int`` or ``float`` for constants that yield to them.
        floating: what whole numbers become beside a constant with a fraction.

    Raises:
        ValueError: libraries differ about these.
    """
    firm = sorted({dtype for dtype in dtypes if dtype not in YIELDING[1:]})
    floats = [dtype for dtype in firm if dtype.startswith("float")]
    if floats:
        return max(floats)
    if "float" in dtypes:
        return floating
    found = np.result_type(*firm).name if firm else "int32"
    if found.startswith("float"):
        raise ValueError(f"{op}: {' and '.join(firm)} together are not supported")
    return "int32" if found == "bool" and "int" in dtypes else found


def check_numbers(function: str, dtype: str) -> None:
    """Raise ``ValueError`` for booleans, which libraries count in different ways."""
    if dtype == "bool":
        raise ValueError(f"{function} of booleans is not supported; cast them first")


def check_floats(function: str, dtype: str) -> None:
    """Raise ``ValueError`` for whole numbers, where libraries differ."""
    if not dtype.startswith("float"):
        raise ValueError(f"{function} of {dtype} is not supported; cast it to float32")
