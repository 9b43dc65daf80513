"""Windows that slide over the spatial axes of an array; for convolution and pooling.

Arrays are (batch, *space, channels) here; ``channels_last`` brings the other layout
into this one.  Every rule holds for one spatial axis, time, and for several.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gru2np_runtime._errors import InputError
from gru2np_runtime._layer import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime._layer import Array, Shape


class Spatial(Layer):
    """A layer over as many spatial axes as its attribute ``per_axis`` has entries."""

    per_axis: ClassVar[str] = "kernel_size"

    @property
    def is_sequence(self) -> bool:  # type: ignore[override]
        """One spatial axis is time; the rows of an image are no time steps."""
        return len(getattr(self, self.per_axis)) == 1


def channels_last(x: Array, data_format: str) -> Array:
    """(batch, *space, channels), a view."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def as_given(y: Array, data_format: str) -> Array:
    """The inverse of ``channels_last``."""
    return np.moveaxis(y, -1, 1) if data_format == "channels_first" else y


def last(shape: Shape, data_format: str) -> Shape:
    """``channels_last`` of a shape."""
    if data_format == "channels_first":
        return (shape[0], *shape[2:], shape[1])
    return shape


def given(shape: Shape, data_format: str) -> Shape:
    """``as_given`` of a shape."""
    if data_format == "channels_first":
        return (shape[0], shape[-1], *shape[1:-1])
    return shape


def count(length: int, size: int, stride: int, padding: str) -> int:
    """How many windows fit; ``size`` includes the gaps of a dilation.

    Raises:
        InputError: not one fits.
    """
    if padding in ("same", "causal"):
        return -(-length // stride)
    if padding == "full":
        length += 2 * (size - 1)
    if length < size:
        raise InputError(
            f"a window of {size} does not fit into {length} steps without padding"
        )
    return (length - size) // stride + 1


def counts(
    space: Shape, sizes: Sequence[int], strides: Sequence[int], padding: str
) -> Shape:
    """How many windows fit along each spatial axis."""
    return tuple(
        None if length is None else count(length, size, stride, padding)
        for length, size, stride in zip(space, sizes, strides)
    )


def pads(
    length: int, size: int, stride: int, padding: str, before: int | None = None
) -> tuple[int, int]:
    """What each side needs: ``same`` shares it out, the odd one behind.

    TensorFlow's rule; ``causal`` puts all of it in front, ``full`` all of it on either
    side, and with ``before`` so many stand in front, whatever is left behind.
    """
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return size - 1, 0
    if padding == "full":
        return size - 1, size - 1
    windows = count(length, size, stride, padding)
    total = (windows - 1) * stride + size - length
    if before is None:
        before = max(total, 0) // 2
    return before, max(total - before, 0)


def padded(
    x: Array,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: str,
    value: float,
    before: Sequence[int] = (),
) -> Array:
    """X with what the padding needs on each side of its spatial axes."""
    if padding == "valid":
        return x
    starts: Sequence[int | None] = before or [None] * len(sizes)
    widths = [
        pads(length, size, stride, padding, start)
        for length, size, stride, start in zip(x.shape[1:-1], sizes, strides, starts)
    ]
    return np.pad(x, [(0, 0), *widths, (0, 0)], constant_values=value)


def check_before(
    op: str, before: Sequence[int], sizes: Sequence[int], padding: str
) -> None:
    """Raise ``ValueError`` where ``before`` does not fit windows of these sizes."""
    if before and padding != "same":
        raise ValueError(f"{op}: before is for padding same, not {padding}")
    if before and len(before) != len(sizes):
        raise ValueError(f"{op}: before and the window differ in length")
    for start, size in zip(before, sizes):
        if not 0 <= start < size:
            raise ValueError(f"{op}: before is {start}, expected 0 to {size - 1}")


def windows(
    x: Array, sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Array:
    """A view (batch, *windows, channels, *sizes) of x, (batch, *space, channels).

    Raises:
        InputError: a window is longer than x.
    """
    reach = [(n - 1) * d + 1 for n, d in zip(sizes, dilation)]
    for length, size in zip(x.shape[1:-1], reach):
        count(length, size, 1, "valid")
    axes = tuple(range(1, x.ndim - 1))
    view = np.lib.stride_tricks.sliding_window_view(x, tuple(reach), axis=axes)
    starts = [slice(None, None, stride) for stride in strides]
    taps = [slice(None, None, step) for step in dilation]
    index = (slice(None), *starts, slice(None), *taps)
    return view[index]


def convolve(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Windows of x times the kernel, one matrix product for each group.

    Args:
        x: (batch, *space, channels), padded already.
        kernel: (*sizes, channels / groups, filters), unflipped as in TensorFlow.
        strides: one for each spatial axis.
        dilation: one for each spatial axis.
        groups: pieces of the channels, each with its own share of the filters.

    Returns:
        (batch, *windows, filters).
    """
    *sizes, depth, filters = kernel.shape
    first = len(sizes) + 1
    view = windows(x, sizes, strides, dilation)
    places = view.shape[:first]
    # Splitting one axis needs no copy; the reshape after the transpose is the only one.
    view = view.reshape(*places, groups, depth, *sizes)
    taps = range(first + 2, view.ndim)
    rows = view.transpose(first, *range(first), *taps, first + 1)
    rows = rows.reshape(groups, prod(places), prod(sizes) * depth)
    columns = kernel.reshape(prod(sizes) * depth, groups, filters // groups)
    product = rows @ columns.swapaxes(0, 1)
    y: Array = product.swapaxes(0, 1).reshape(*places, filters)
    return y
