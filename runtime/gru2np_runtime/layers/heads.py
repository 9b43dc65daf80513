"""Projections to the heads of attention and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gru2np_runtime.activations import add_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array


def project_heads(weights: Mapping[str, Array], name: str, x: Array) -> Array:
    """x (..., features) times a kernel (features, heads, size), and its bias."""
    kernel = weights[f"{name}/kernel"]
    features, heads, size = kernel.shape
    rows = x.reshape(math.prod(x.shape[:-1]), features)
    y = rows @ kernel.reshape(features, heads * size)
    y = y.reshape(*x.shape[:-1], heads, size)
    bias = weights.get(f"{name}/bias")
    return y if bias is None else add_to(y, bias)


def combine_heads(weights: Mapping[str, Array], found: Array) -> Array:
    """What the heads found (..., heads, size) times the kernel of the output."""
    kernel = weights["attention_output/kernel"]
    depth = math.prod(kernel.shape[:2])
    rows = found.reshape(math.prod(found.shape[:-2]), depth)
    y = rows @ kernel.reshape(depth, math.prod(kernel.shape[2:]))
    y = y.reshape(*found.shape[:-2], *kernel.shape[2:])
    bias = weights.get("attention_output/bias")
    return y if bias is None else add_to(y, bias)


def attended_axes_last(rank: int, axes: tuple[int, ...]) -> list[int]:
    """The axes of (batch, ..., heads, size), those attended over before the size."""
    apart = [axis for axis in range(rank - 1) if axis not in axes]
    return [*apart, *axes, rank - 1]


def flatten_attended(x: Array, axes: tuple[int, ...]) -> Array:
    """(batch, ..., heads, size) as (batch, ..., heads, steps, size)."""
    moved: Array = x.transpose(attended_axes_last(x.ndim, axes))
    steps = math.prod(moved.shape[-1 - len(axes) : -1])
    return moved.reshape(*moved.shape[: -1 - len(axes)], steps, moved.shape[-1])
