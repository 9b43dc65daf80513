"""Resampling along one axis: which steps each new step is made of, and how much.

Every rule is that of ``tf.image.resize`` without antialiasing, which Keras 3 shares
with ``jax.image.resize``; step i of m stands at ``(i + 1/2) * n / m - 1/2`` of n.
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
    """Mitchell and Netravali 1988."""

    def kernel(x: Array) -> Array:
        x = np.abs(x)
        near = ((12 - 9 * b - 6 * c) * x + (-18 + 12 * b + 6 * c)) * x * x + 6 - 2 * b
        far = (((-b - 6 * c) * x + 6 * b + 30 * c) * x - 12 * b - 48 * c) * x
        far = far + 8 * b + 24 * c
        found: Array = np.where(x < 1, near, np.where(x < 2, far, 0.0)) / 6
        return found

    return kernel


# How much a step counts, by its distance; and how far that reaches.
KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bicubic": (_cubic(0.0, 0.5), 2),
    "bilinear": (lambda x: np.maximum(1 - np.abs(x), 0.0), 1),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
    "mitchellcubic": (_cubic(1 / 3, 1 / 3), 2),
}
INTERPOLATIONS = ("nearest", "bilinear_from_corner", *sorted(KERNELS))


def resampled(x: Array, axis: int, size: int, interpolation: str) -> Array:
    """X with so many steps along the axis, made of those there are.

    Each new step is a mean of the old ones near it, weighed by a kernel;
    ``bilinear_from_corner`` takes new step i to stand at ``i * n / m`` (TensorFlow 1).
    """
    steps = x.shape[axis]
    places = (np.arange(size) + 0.5) * steps / size - 0.5
    if interpolation == "nearest":
        # In float32, where TensorFlow rounds.
        scale = np.float32(steps) / np.float32(size)
        middle = (np.arange(size).astype(np.float32) + np.float32(0.5)) * scale
        nearest: Array = x.take(np.minimum(middle.astype(int), steps - 1), axis)
        return nearest
    if interpolation == "bilinear_from_corner":
        places = np.minimum(np.arange(size) * steps / size, steps - 1)
        interpolation = "bilinear"
    kernel, radius = KERNELS[interpolation]
    y = np.zeros((), x.dtype)
    shape = [1] * x.ndim
    shape[axis] = size
    offsets = range(int(-radius), int(radius) + 2)
    taps = np.floor(places)[:, None].astype(int) + np.array([*offsets])
    shares = kernel(taps - places[:, None])
    shares = np.where((taps >= 0) & (taps < steps), shares, 0.0)
    shares = shares / shares.sum(axis=1, keepdims=True)
    for tap, share in zip(np.clip(taps, 0, steps - 1).T, shares.T):
        if share.any():
            y = y + x.take(tap, axis) * share.astype(x.dtype).reshape(shape)
    return y
