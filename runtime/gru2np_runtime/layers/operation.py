"""The base of operations of a graph: broadcasting and common dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, PER_STEP, Layer, no_products

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.layer import Array, Shape

# Kinds of Python constants, in the order of promotion.
PYTHON_KINDS = ("bool", "int", "float")


class Operation(Layer):
    """An operation on inputs in their own dtypes, per step unless overridden."""

    keeps_dtype = True
    casts_floats = False
    independent_rows = True
    multiply_adds = no_products

    def over_time(self, *shapes: Shape) -> str:
        """Per step where all inputs have the same rank, so that axis 1 is aligned."""
        ranks = {len(shape) for shape in shapes}
        return PER_STEP if len(ranks) == 1 and ranks != {1} else ACROSS


def broadcast_shape(op: str, shapes: Sequence[Shape]) -> Shape:
    """The broadcast shape of tensors of equal rank; axis 0 is the batch.

    Raises:
        ValueError: the ranks differ, or the shapes do not broadcast.
    """
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(
            f"{op}: expected shapes of equal rank, got {', '.join(map(str, shapes))}: "
            "the batch axis of one would be aligned with another axis of the other"
        )
    sizes = []
    for each in zip(*shapes):
        not_one = {size for size in each if size != 1}
        known = not_one - {None}
        if len(known) > 1:
            raise ValueError(f"{op}: shapes {shapes} do not fit together")
        sizes.append(known.pop() if known else None if not_one else 1)
    return tuple(sizes)


def broadcastable(op: str, arrays: Sequence[Array]) -> Sequence[Array]:
    """The arrays, checked to broadcast to each other.

    Raises:
        InputError: they do not broadcast.
    """
    try:
        np.broadcast_shapes(*(x.shape for x in arrays))
    except ValueError:
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise InputError(f"{op}: shapes {shapes} do not fit together") from None
    return arrays


def common_dtype(op: str, dtypes: Sequence[str], floating: str) -> str:
    """The common dtype of tensors and constants, as in Keras 3.

    Args:
        op: the op, for messages.
        dtypes: dtypes of tensors, and ``int`` or ``float`` for Python constants.
        floating: the dtype of integers with a Python float.

    Raises:
        ValueError: libraries promote these dtypes differently.
    """
    tensors = sorted({dtype for dtype in dtypes if dtype not in PYTHON_KINDS[1:]})
    floats = [dtype for dtype in tensors if dtype.startswith("float")]
    if floats:
        return max(floats)
    if "float" in dtypes:
        return floating
    common = np.result_type(*tensors).name if tensors else "int32"
    if common.startswith("float"):
        raise ValueError(f"{op}: {' and '.join(tensors)} together are not supported")
    return "int32" if common == "bool" and "int" in dtypes else common


def check_numbers(function: str, dtype: str) -> None:
    """Raise ``ValueError`` for booleans, where libraries differ."""
    if dtype == "bool":
        raise ValueError(f"{function} of booleans is not supported; cast them first")


def check_floats(function: str, dtype: str) -> None:
    """Raise ``ValueError`` for integers and booleans, where libraries differ."""
    if not dtype.startswith("float"):
        raise ValueError(f"{function} of {dtype} is not supported; cast it to float32")
