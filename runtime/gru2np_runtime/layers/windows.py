"""Windows that slide over the spatial axes of an array; for convolution and pooling.

Arrays are (batch, *space, channels) here; ``channels_last`` brings the other layout
into this one.  Every rule holds for one spatial axis, time, and for several.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import Layer, across, sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes

# Windows that are copied at once: as many as a product needs to be fast, and more of
# them where they are small, 256 KB in float32.
ROWS, PIECE = 1024, 1 << 16
# Windows up to this size are pooled number by number, all windows at once.
TAPS = 32


class Spatial(Layer):
    """A layer over as many spatial axes as its attribute ``per_axis`` has entries."""

    rows_apart = True
    over_time = across
    per_axis: ClassVar[str] = "kernel_size"

    @property
    def is_sequence(self) -> bool:  # type: ignore[override]
        """One spatial axis is time; the rows of an image are no time steps."""
        return len(getattr(self, self.per_axis)) == 1


def position_count(shape: Sizes, data_format: str) -> int:
    """Rows and places of an array, channels left out."""
    return prod(sized(shape_to_channels_last(shape, data_format))[:-1])


def to_channels_last(x: Array, data_format: str) -> Array:
    """(batch, *space, channels), a view."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def from_channels_last(y: Array, data_format: str) -> Array:
    """The inverse of ``channels_last``."""
    return np.moveaxis(y, -1, 1) if data_format == "channels_first" else y


def shape_to_channels_last(shape: Shape, data_format: str) -> Shape:
    """``channels_last`` of a shape."""
    if data_format == "channels_first":
        return (shape[0], *shape[2:], shape[1])
    return shape


def shape_from_channels_last(shape: Shape, data_format: str) -> Shape:
    """``as_given`` of a shape."""
    if data_format == "channels_first":
        return (shape[0], shape[-1], *shape[1:-1])
    return shape


def window_count(length: int, size: int, stride: int, padding: str) -> int:
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


def window_counts(
    space: Shape, sizes: Sequence[int], strides: Sequence[int], padding: str
) -> Shape:
    """How many windows fit along each spatial axis."""
    return tuple(
        None if length is None else window_count(length, size, stride, padding)
        for length, size, stride in zip(space, sizes, strides)
    )


def pad_widths(
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
    windows = window_count(length, size, stride, padding)
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
        pad_widths(length, size, stride, padding, start)
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
        window_count(length, size, 1, "valid")
    axes = tuple(range(1, x.ndim - 1))
    view = np.lib.stride_tricks.sliding_window_view(x, tuple(reach), axis=axes)
    starts = [slice(None, None, stride) for stride in strides]
    taps = [slice(None, None, step) for step in dilation]
    index = (slice(None), *starts, slice(None), *taps)
    return view[index]


def pool_axis(x: Array, axis: int, size: int, stride: int, function: np.ufunc) -> Array:
    """One number for each window along an axis of x.

    Args:
        x: (batch, *space, channels), padded already.
        axis: one of the spatial axes.
        size: of a window.
        stride: from the beginning of one to that of the next.
        function: of two numbers.

    Raises:
        InputError: a window is longer than x.
    """
    many = window_count(x.shape[axis], size, stride, "valid")
    ahead = (slice(None),) * axis
    if size > TAPS:
        view = np.lib.stride_tricks.sliding_window_view(x, size, axis=axis)
        every = (*ahead, slice(None, None, stride))
        y: Array = function.reduce(view[every], axis=-1)
        return y

    def tap(start: int) -> Array:
        now = (*ahead, slice(start, start + (many - 1) * stride + 1, stride))
        return x[now]

    if size == 1:
        return tap(0)
    y = function(tap(0), tap(1))
    for start in range(2, size):
        function(y, tap(start), out=y)
    return y


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
    # Splitting one axis needs no copy; rows are copied out of this view.
    view = view.reshape(*places, groups, depth, *sizes)
    taps = range(first + 2, view.ndim)
    rows = view.transpose(first, *range(first), *taps, first + 1)
    columns = kernel.reshape(prod(sizes) * depth, groups, filters // groups)
    columns = columns.swapaxes(0, 1)
    if groups == 1:
        return _matmul_in_chunks(rows[0], columns[0])
    product = rows.reshape(groups, prod(places), prod(sizes) * depth) @ columns
    y: Array = product.swapaxes(0, 1).reshape(*places, filters)
    return y


def _matmul_in_chunks(windowed: Array, kernel: Array) -> Array:
    """Windows times a kernel, a piece at a time that stays in the cache.

    Args:
        windowed: a view (batch, *windows, *sizes, channels).
        kernel: (sizes and channels in one axis, filters).

    Returns:
        (batch, *windows, filters).
    """
    depth, filters = kernel.shape
    places = windowed.shape[: windowed.ndim // 2]
    if windowed.flags.c_contiguous:
        whole: Array = windowed.reshape(prod(places), depth) @ kernel
        return whole.reshape(*places, filters)
    y = np.empty((*places, filters), np.result_type(windowed, kernel))
    within = prod(places[2:])
    lines = max(1, max(ROWS, PIECE // depth) // max(1, within))
    samples = max(1, lines // max(1, places[1]))
    lines = min(lines, places[1])
    most = (min(samples, places[0]), lines, *windowed.shape[2:])
    piece = np.empty(most, windowed.dtype)
    for first in range(0, places[0], samples):
        some = slice(first, first + samples)
        for line in range(0, places[1], max(1, lines)):
            now = windowed[some, line : line + lines]
            copied = piece[: now.shape[0], : now.shape[1]]
            copied[...] = now
            window_count = prod(now.shape[: len(places)])
            # One array of rows: samples are whole where there are several.
            a = copied.reshape(window_count, depth)
            out = y[some, line : line + lines].reshape(window_count, filters)
            np.matmul(a, kernel, out=out)
    return y
