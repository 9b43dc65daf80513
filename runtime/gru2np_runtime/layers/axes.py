"""Axis arithmetic and attribute checks shared by several families of layers."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from gru2np_runtime.activations import axes_of
from gru2np_runtime.errors import Unsupported
from gru2np_runtime.layer import ACROSS, PER_STEP, sized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gru2np_runtime.layer import ActivationSpec, Layer, Shape

DATA_FORMATS = ("channels_last", "channels_first")


def normalize_axis(axis: int, rank: int) -> int:
    """The axis counted from the first one, at least 1.

    Raises:
        ValueError: an array of that rank has no such axis.
        Unsupported: it is the batch axis, so that the layer would mix samples.
    """
    if axis in (0, -rank):
        raise Unsupported(f"axis {axis} is the batch axis, so samples would be mixed")
    if not -rank < axis < rank:
        raise ValueError(
            f"expected an axis of an input of rank {rank}, from {1 - rank} to "
            f"{rank - 1}, got {axis}"
        )
    return axis % rank


def per_step_unless_time_in(axes: Iterable[int], rank: int) -> str:
    """ACROSS if one of the axes is axis 1, the time axis; else PER_STEP."""
    return ACROSS if 1 in {normalize_axis(axis, rank) for axis in axes} else PER_STEP


def element_count(shape: Shape) -> int:
    """The number of elements of an array; sizes that are None count as 1."""
    return prod(sized(shape))


def activated_shape(function: ActivationSpec, shape: Shape) -> Shape:
    """The shape after an activation function: ``glu`` halves its axis.

    Raises:
        ValueError: the function's axis does not exist, or has an odd size.
    """
    axes = [normalize_axis(axis, len(shape)) for axis in axes_of(function)]
    name = function if isinstance(function, str) else function["function"]
    if name != "glu":
        return shape
    size = shape[axes[0]]
    if size is not None and size % 2:
        raise ValueError(f"glu: expected an even size of axis {axes[0]}, got {size}")
    half = None if size is None else size // 2
    return (*shape[: axes[0]], half, *shape[axes[0] + 1 :])


def check_choice(op: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{op}: {name} is {value!r}, expected one of {', '.join(choices)}"
        )


def check_minimum(op: str, name: str, values: Iterable[int], minimum: int) -> None:
    """Raise ``ValueError`` if a value is below the minimum."""
    for value in values:
        if value < minimum:
            raise ValueError(f"{op}: {name} is {value}, expected at least {minimum}")


def check_per_axis(layer: Layer, *names: str) -> None:
    """Raise ``ValueError`` unless the attributes have one size >= 1 for each axis.

    Args:
        layer: the layer; its ``op`` begins the message.
        names: attributes, each a tuple with one size for each spatial axis.
    """
    rank = len(getattr(layer, names[0]))
    for name in names:
        sizes = getattr(layer, name)
        check_minimum(layer.op, name, sizes, 1)
        if not sizes or len(sizes) != rank:
            raise ValueError(f"{layer.op}: {', '.join(names)} differ in length")


def check_rank(op: str, shape: Shape, rank: int) -> None:
    """Raise ``ValueError`` unless the input has this rank."""
    if len(shape) != rank:
        raise ValueError(f"{op}: expected an input of rank {rank}, got shape {shape}")
