"""Resampling along one axis: each new step is a weighted mean of old steps.

The rules are those of ``tf.image.resize`` without antialiasing, which
``jax.image.resize`` in Keras 3 shares.  From n steps to m, new step i has the position
``(i + 1/2) * n / m - 1/2`` among the old ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0.0)


def _cubic(b: float, c: float) -> Callable[[Array], Array]:
    """The cubic kernel of Mitchell and Netravali 1988, with parameters b and c."""

    def kernel(x: Array) -> Array:
        x = np.abs(x)
        near = ((12 - 9 * b - 6 * c) * x + (-18 + 12 * b + 6 * c)) * x * x + 6 - 2 * b
        far = (((-b - 6 * c) * x + 6 * b + 30 * c) * x - 12 * b - 48 * c) * x
        far = far + 8 * b + 24 * c
        y: Array = np.where(x < 1, near, np.where(x < 2, far, 0.0)) / 6
        return y

    return kernel


# The weight of a step by its distance, and the distance from which it is 0.
KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bicubic": (_cubic(0.0, 0.5), 2),
    "bilinear": (lambda x: np.maximum(1 - np.abs(x), 0.0), 1),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
    "mitchellcubic": (_cubic(1 / 3, 1 / 3), 2),
}
INTERPOLATIONS = ("nearest", "bilinear_from_corner", *sorted(KERNELS))


def resampled(x: Array, axis: int, size: int, interpolation: str) -> Array:
    """x resampled to ``size`` steps along the axis.

    Each new step is a mean of the old steps near it, weighted by a kernel.  With
    ``bilinear_from_corner`` (TensorFlow 1), new step i has the position ``i * n / m``.
    """
    steps = x.shape[axis]
    positions = (np.arange(size) + 0.5) * steps / size - 0.5
    if interpolation == "nearest":
        # In float32, because TensorFlow rounds so.
        scale = np.float32(steps) / np.float32(size)
        middle = (np.arange(size).astype(np.float32) + np.float32(0.5)) * scale
        nearest: Array = x.take(np.minimum(middle.astype(int), steps - 1), axis)
        return nearest
    if interpolation == "bilinear_from_corner":
        positions = np.minimum(np.arange(size) * steps / size, steps - 1)
        interpolation = "bilinear"
    kernel, radius = KERNELS[interpolation]
    y = np.zeros((), x.dtype)
    shape = [1] * x.ndim
    shape[axis] = size
    offsets = range(int(-radius), int(radius) + 2)
    taps = np.floor(positions)[:, None].astype(int) + np.array([*offsets])
    weights = kernel(taps - positions[:, None])
    weights = np.where((taps >= 0) & (taps < steps), weights, 0.0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    for tap, weight in zip(np.clip(taps, 0, steps - 1).T, weights.T):
        if weight.any():
            y = y + x.take(tap, axis) * weight.astype(x.dtype).reshape(shape)
    return y
