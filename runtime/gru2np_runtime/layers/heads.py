"""Projections to and from the heads of attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gru2np_runtime.activations import add_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array


def project_heads(weights: Mapping[str, Array], name: str, x: Array) -> Array:
    """x (..., features) @ kernel (features, heads, size) + bias."""
    kernel = weights[f"{name}/kernel"]
    features, heads, size = kernel.shape
    rows = x.reshape(math.prod(x.shape[:-1]), features)
    y = rows @ kernel.reshape(features, heads * size)
    y = y.reshape(*x.shape[:-1], heads, size)
    bias = weights.get(f"{name}/bias")
    return y if bias is None else add_to(y, bias)


def combine_heads(weights: Mapping[str, Array], x: Array) -> Array:
    """x (..., heads, size) @ kernel of the output (heads, size, ...) + bias."""
    kernel = weights["attention_output/kernel"]
    depth = math.prod(kernel.shape[:2])
    rows = x.reshape(math.prod(x.shape[:-2]), depth)
    y = rows @ kernel.reshape(depth, math.prod(kernel.shape[2:]))
    y = y.reshape(*x.shape[:-2], *kernel.shape[2:])
    bias = weights.get("attention_output/bias")
    return y if bias is None else add_to(y, bias)


def attended_axes_last(rank: int, axes: tuple[int, ...]) -> list[int]:
    """The axes of (batch, ..., heads, size), with the attention axes before size."""
    others = [axis for axis in range(rank - 1) if axis not in axes]
    return [*others, *axes, rank - 1]


def flatten_attended(x: Array, axes: tuple[int, ...]) -> Array:
    """(batch, ..., heads, size) with the attention axes flattened into the axis -2."""
    moved: Array = x.transpose(attended_axes_last(x.ndim, axes))
    steps = math.prod(moved.shape[-1 - len(axes) : -1])
    return moved.reshape(*moved.shape[: -1 - len(axes)], steps, moved.shape[-1])
