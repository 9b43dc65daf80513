"""Batch normalisation and layer normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime._layer import Layer
from gru2np_runtime.layers._axes import apart_from_time, axis_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime._layer import Array, Shape


class Normalization(Layer):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``."""

    epsilon: float = 1e-3
    scale: bool = True
    center: bool = True

    def check(self) -> None:
        """A variance stays at least 0."""
        if not self.epsilon >= 0:
            raise ValueError(
                f"{self.op}: epsilon is {self.epsilon}, expected 0 or more"
            )

    def parameters(self, shape: Shape) -> dict[str, Shape]:
        """gamma with ``scale``, beta with ``center``."""
        wanted = {"gamma": self.scale, "beta": self.center}
        return {name: shape for name, there in wanted.items() if there}

    def apply(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        weights: Mapping[str, Array],
        shape: tuple[int, ...],
    ) -> Array:
        """The formula, in the order of Keras' own operations.

        Args:
            x: (batch, ...).
            mean: broadcasts to x.
            variance: broadcasts to x.
            weights: gamma and beta, if they are there.
            shape: in which gamma and beta stand beside x.
        """
        # A variance of 0 with epsilon 0 gives what it gives in Keras.
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = 1.0 / np.sqrt(variance + self.epsilon)
            if "gamma" in weights:
                factor = factor * weights["gamma"].reshape(shape)
            offset = -mean * factor
            if "beta" in weights:
                offset = offset + weights["beta"].reshape(shape)
            return x * factor + offset


class BatchNormalization(Normalization):
    """Normalised with the mean and variance of training, for each index of an axis.

    Ioffe and Szegedy 2015, arXiv:1502.03167; Keras 3.15
    ``keras/src/layers/normalization/batch_normalization.py``.
    """

    op = "batch_normalization"
    axis: int = -1

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta, moving_mean, moving_variance: (size of the axis,)."""
        shape = (shapes[0][axis_of(self.axis, len(shapes[0]))],)
        return {
            **self.parameters(shape),
            "moving_mean": shape,
            "moving_variance": shape,
        }

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axis = axis_of(self.axis, x.ndim)
        shape = tuple(x.shape[i] if i == axis else 1 for i in range(x.ndim))
        mean = weights["moving_mean"].reshape(shape)
        variance = weights["moving_variance"].reshape(shape)
        return self.apply(x, mean, variance, weights, shape)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for numbers of their own at every time step."""
        return apart_from_time([self.axis], len(shapes[0]))


class LayerNormalization(Normalization):
    """Normalised with the mean and variance of each sample over some axes.

    Ba et al. 2016, arXiv:1607.06450; Keras 3.15 ``keras/src/ops/nn.py``.

    Args:
        rms_scaling: ``x / sqrt(variance + epsilon) * gamma``.  Keras' name promises
            the root of the mean square, its code takes the variance.
    """

    op = "layer_normalization"
    axes: tuple[int, ...] = (-1,)
    rms_scaling: bool = False

    def check(self) -> None:
        """There is an axis."""
        super().check()
        if not self.axes:
            raise ValueError("layer_normalization: axes is empty")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta: sizes of the axes, in the order of ``axes``."""
        x = shapes[0]
        shape = tuple(x[axis_of(axis, len(x))] for axis in self.axes)
        return {"gamma": shape} if self.rms_scaling else self.parameters(shape)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = tuple(sorted(axis_of(axis, x.ndim) for axis in self.axes))
        shape = tuple(x.shape[i] if i in axes else 1 for i in range(x.ndim))
        # Over no element at all a mean is NaN, and nothing shows it.
        with np.errstate(divide="ignore", invalid="ignore"):
            size = float(np.prod([x.shape[axis] for axis in axes]))
            mean = x.sum(axis=axes, keepdims=True) / size
            apart = x - mean
            variance = (apart * apart).sum(axis=axes, keepdims=True) / size
        # From x - mean at once: where all x are equal, the difference is exactly 0.
        centred = x if self.rms_scaling else apart
        return self.apply(centred, np.zeros_like(mean), variance, weights, shape)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for means over time."""
        return apart_from_time(self.axes, len(shapes[0]))


LAYERS = {layer.op: layer for layer in (BatchNormalization, LayerNormalization)}
