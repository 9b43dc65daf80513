"""Sliding windows over the spatial axes of an array, for convolution and pooling.

Arrays are (batch, *space, channels) here; ``to_channels_last`` converts the other
layout.  There may be one spatial axis, time, or several.
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

# Windows that are copied at once: ROWS of them, which is enough for a fast product, or
# more if they fit into PIECE numbers, 256 KB in float32.
ROWS, PIECE = 1024, 1 << 16
# The largest window that is pooled tap by tap, for all windows at once.
TAPS = 32


class Spatial(Layer):
    """A layer over spatial axes; the attribute ``per_axis`` has an entry for each."""

    independent_rows = True
    over_time = across
    per_axis: ClassVar[str] = "kernel_size"

    @property
    def is_sequence(self) -> bool:  # type: ignore[override]
        """Whether there is one spatial axis: time.  Images have no time axis."""
        return len(getattr(self, self.per_axis)) == 1


def position_count(shape: Sizes, data_format: str) -> int:
    """The number of elements of an array divided by its channels."""
    return prod(sized(shape_to_channels_last(shape, data_format))[:-1])


def to_channels_last(x: Array, data_format: str) -> Array:
    """x as (batch, *space, channels), a view."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def from_channels_last(y: Array, data_format: str) -> Array:
    """(batch, *space, channels) in the layout ``data_format``, a view."""
    return np.moveaxis(y, -1, 1) if data_format == "channels_first" else y


def shape_to_channels_last(shape: Shape, data_format: str) -> Shape:
    """The shape after ``to_channels_last``."""
    if data_format == "channels_first":
        return (shape[0], *shape[2:], shape[1])
    return shape


def shape_from_channels_last(shape: Shape, data_format: str) -> Shape:
    """The shape after ``from_channels_last``."""
    if data_format == "channels_first":
        return (shape[0], shape[-1], *shape[1:-1])
    return shape


def window_count(length: int, size: int, stride: int, padding: str) -> int:
    """The number of windows; ``size`` is the receptive field, dilation included.

    Raises:
        InputError: no window fits.
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
    space: Sequence[int | None],
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: str,
) -> Shape:
    """The number of windows along each spatial axis; None where the size is None."""
    return tuple(
        None if length is None else window_count(length, size, stride, padding)
        for length, size, stride in zip(space, sizes, strides)
    )


def pad_widths(
    length: int, size: int, stride: int, padding: str, before: int | None = None
) -> tuple[int, int]:
    """Padding before and after an axis.

    - ``valid``: none;
    - ``same``: half before and half after, the odd one after, as in TensorFlow; with
      ``before``, that much before and the rest after;
    - ``causal``: ``size - 1`` before;
    - ``full``: ``size - 1`` before and after.
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
    """x, (batch, *space, channels), padded with ``value`` along its spatial axes."""
    if padding == "valid":
        return x
    starts: Sequence[int | None] = before or [None] * len(sizes)
    widths = [
        pad_widths(length, size, stride, padding, start)
        for length, size, stride, start in zip(x.shape[1:-1], sizes, strides, starts)
    ]
    space = [n + sum(width) for n, width in zip(x.shape[1:-1], widths)]
    # Several times as fast as np.pad.
    y = np.full((x.shape[0], *space, x.shape[-1]), value, x.dtype)
    inner = (slice(a, a + n) for n, (a, _) in zip(x.shape[1:-1], widths))
    index = (slice(None), *inner)
    y[index] = x
    return y


def check_before(
    op: str, before: Sequence[int], sizes: Sequence[int], padding: str
) -> None:
    """Raise ``ValueError`` unless ``before`` is legal for windows of these sizes."""
    if before and padding != "same":
        raise ValueError(f"{op}: before is for padding same, not {padding}")
    if before and len(before) != len(sizes):
        raise ValueError(
            f"{op}: expected one number in before for each of {len(sizes)} spatial "
            f"axes, got {len(before)}"
        )
    for start, size in zip(before, sizes):
        if not 0 <= start < size:
            raise ValueError(f"{op}: before is {start}, expected 0 to {size - 1}")


def windows(
    x: Array, sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Array:
    """A view (batch, *out_space, channels, *sizes) of x, (batch, *space, channels).

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
        x: (batch, *space, channels), already padded.
        axis: one of the spatial axes.
        size: steps in a window.
        stride: steps from the start of a window to the start of the next.
        function: of two numbers, commutative and associative.

    Raises:
        InputError: a window is longer than x.
    """
    count = window_count(x.shape[axis], size, stride, "valid")
    leading = (slice(None),) * axis
    if size > TAPS:
        view = np.lib.stride_tricks.sliding_window_view(x, size, axis=axis)
        starts = (*leading, slice(None, None, stride))
        y: Array = function.reduce(view[starts], axis=-1)
        return y

    def tap(start: int) -> Array:
        taps = (*leading, slice(start, start + (count - 1) * stride + 1, stride))
        return x[taps]

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
        x: (batch, *space, channels), already padded.
        kernel: (*sizes, channels / groups, filters), not flipped, as in TensorFlow.
        strides: one for each spatial axis.
        dilation: one for each spatial axis.
        groups: groups of channels, each with ``filters / groups`` filters.

    Returns:
        (batch, *out_space, filters).
    """
    *sizes, depth, filters = kernel.shape
    first = len(sizes) + 1
    view = windows(x, sizes, strides, dilation)
    positions = view.shape[:first]
    # Splitting an axis needs no copy; the reshape into rows below copies.
    view = view.reshape(*positions, groups, depth, *sizes)
    taps = range(first + 2, view.ndim)
    rows = view.transpose(first, *range(first), *taps, first + 1)
    columns = kernel.reshape(prod(sizes) * depth, groups, filters // groups)
    columns = columns.swapaxes(0, 1)
    if groups == 1:
        return _matmul_in_chunks(rows[0], columns[0])
    product = rows.reshape(groups, prod(positions), prod(sizes) * depth) @ columns
    y: Array = product.swapaxes(0, 1).reshape(*positions, filters)
    return y


def _matmul_in_chunks(windowed: Array, kernel: Array) -> Array:
    """Windows times a kernel, a few at a time, so that copies stay in the cache.

    Args:
        windowed: a view (batch, *out_space, *sizes, channels).
        kernel: (prod(sizes) * channels, filters).

    Returns:
        (batch, *out_space, filters).
    """
    depth, filters = kernel.shape
    rank = windowed.ndim // 2
    positions = windowed.shape[:rank]
    if windowed.flags.c_contiguous:
        whole: Array = windowed.reshape(prod(positions), depth) @ kernel
        return whole.reshape(*positions, filters)
    y = np.empty((*positions, filters), np.result_type(windowed, kernel))
    # A line is one index of the first spatial axis.
    line_size = prod(positions[2:])
    lines = max(1, max(ROWS, PIECE // depth) // max(1, line_size))
    samples = max(1, lines // max(1, positions[1]))
    lines = min(lines, positions[1])
    # One number at a time is slow to copy.  Of one channel, windows are therefore the
    # columns of the copy, so that whole lines are copied.
    turned = windowed.shape[-1] == 1
    sizes = (min(samples, positions[0]), lines, *windowed.shape[2:])
    buffer = np.empty(prod(sizes), windowed.dtype)
    for first in range(0, positions[0], samples):
        rows = slice(first, first + samples)
        for line in range(0, positions[1], max(1, lines)):
            chunk = windowed[rows, line : line + lines]
            count = prod(chunk.shape[:rank])
            if turned:
                chunk = chunk.transpose(*range(rank, 2 * rank), *range(rank))
            copied = buffer[: count * depth].reshape(chunk.shape)
            copied[...] = chunk
            a = (
                copied.reshape(depth, count).T
                if turned
                else copied.reshape(count, depth)
            )
            # A view: with several samples, a chunk has all their lines.
            out = y[rows, line : line + lines].reshape(count, filters)
            np.matmul(a, kernel, out=out)
    return y
