"""Windows that slide over the spatial axes of an array; for convolution and pooling.

Arrays are (batch, *space, channels) here; ``channels_last`` brings the other layout
into this one.  Every rule holds for one spatial axis, time, and for several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime._layer import Array, Shape


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
    if padding != "valid":
        return -(-length // stride)
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


def pads(length: int, size: int, stride: int, padding: str) -> tuple[int, int]:
    """What each side needs: ``same`` shares it out, the odd one behind.

    TensorFlow's rule; ``causal`` puts all of it in front.
    """
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return size - 1, 0
    windows = count(length, size, stride, padding)
    total = max((windows - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def padded(
    x: Array, sizes: Sequence[int], strides: Sequence[int], padding: str, value: float
) -> Array:
    """X with what the padding needs on each side of its spatial axes."""
    if padding == "valid":
        return x
    widths = [
        pads(length, size, stride, padding)
        for length, size, stride in zip(x.shape[1:-1], sizes, strides)
    ]
    return np.pad(x, [(0, 0), *widths, (0, 0)], constant_values=value)


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
