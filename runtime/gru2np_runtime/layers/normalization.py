"""Normalisation: by a mean and a variance, or by a norm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import add_to
from gru2np_runtime.layer import ACROSS, FEW, Layer, no_products, stored
from gru2np_runtime.layers.axes import normalize_axis, per_step_unless_time_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class Normalization(Layer):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``."""

    rows_apart = True
    storage_axes = stored(gamma=FEW, beta=FEW)
    multiply_adds = no_products
    epsilon: float = 1e-3
    scale: bool = True
    center: bool = True

    def check(self) -> None:
        """A variance stays at least 0."""
        if not self.epsilon >= 0:
            raise ValueError(f"{self.op}: epsilon is {self.epsilon}, below 0")

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
            return add_to(x * factor, offset)


class BatchNormalization(Normalization):
    """Normalised with the mean and variance of training, for each index of an axis.

    Ioffe and Szegedy 2015, arXiv:1502.03167; Keras 3.15
    ``keras/src/layers/normalization/batch_normalization.py``.

    Args:
        axis: the axis.
        least_epsilon: of inputs of ``least_epsilon_ranks`` axes: TensorFlow's fused
            kernel, which Keras 2 called for images, took no smaller epsilon.
    """

    op = "batch_normalization"
    storage_axes = stored(
        **Normalization.storage_axes, moving_mean=FEW, moving_variance=FEW
    )
    axis: int = -1
    least_epsilon: float = 0.0
    least_epsilon_ranks: tuple[int, ...] = ()

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta, moving_mean, moving_variance: (size of the axis,)."""
        shape = (shapes[0][normalize_axis(self.axis, len(shapes[0]))],)
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
        axis = normalize_axis(self.axis, x.ndim)
        shape = tuple(x.shape[i] if i == axis else 1 for i in range(x.ndim))
        mean = weights["moving_mean"].reshape(shape)
        variance = weights["moving_variance"].reshape(shape)
        if x.ndim in self.least_epsilon_ranks and self.epsilon < self.least_epsilon:
            variance = variance + (self.least_epsilon - self.epsilon)
        return self.apply(x, mean, variance, weights, shape)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for numbers of their own at every time step."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class BatchNormalizationOverAxes(Normalization):
    """The same with numbers for each index of several axes together.

    tf-keras 2.21 ``tf_keras/layers/normalization/batch_normalization.py``, where
    ``axis`` is a list; Keras 3 has no such.
    """

    op = "batch_normalization_over_axes"
    storage_axes = BatchNormalization.storage_axes
    axes: tuple[int, ...]

    def check(self) -> None:
        """There are several."""
        super().check()
        if len(self.axes) < 2:
            raise ValueError(f"{self.op}: axes is {self.axes}, expected several")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta, moving_mean, moving_variance: of the rank of the input, with the
        sizes of the axes and 1 elsewhere.
        """
        x = shapes[0]
        axes = {normalize_axis(axis, len(x)) for axis in self.axes}
        if len(axes) < len(self.axes):
            raise ValueError(f"axes {list(self.axes)} hold one twice")
        shape = tuple(n if i in axes else 1 for i, n in enumerate(x))
        return {
            **self.parameters(shape),
            "moving_mean": shape,
            "moving_variance": shape,
        }

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        mean, variance = weights["moving_mean"], weights["moving_variance"]
        return self.apply(inputs[0], mean, variance, weights, mean.shape)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for numbers of their own at every time step."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class LayerNormalization(Normalization):
    """Normalised with the mean and variance of each sample over some axes.

    Ba et al. 2016, arXiv:1607.06450; Keras 3.15 ``keras/src/ops/nn.py``.

    Args:
        rms_scaling: ``x / sqrt(variance + epsilon) * gamma``.  Keras' name promises
            the root of the mean square, its code takes the variance.
        deviation_epsilon: added to the deviation, after epsilon to the variance:
            BatchNormalization in mode 1, Keras 1.2 ``keras/layers/normalization.py``.
    """

    op = "layer_normalization"
    axes: tuple[int, ...] = (-1,)
    rms_scaling: bool = False
    deviation_epsilon: float = 0.0

    def check(self) -> None:
        """There is an axis."""
        super().check()
        if not self.axes:
            raise ValueError("layer_normalization: axes is empty")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta: sizes of the axes, in the order of ``axes``."""
        x = shapes[0]
        shape = tuple(x[normalize_axis(axis, len(x))] for axis in self.axes)
        return {"gamma": shape} if self.rms_scaling else self.parameters(shape)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = tuple(sorted(normalize_axis(axis, x.ndim) for axis in self.axes))
        shape = tuple(x.shape[i] if i in axes else 1 for i in range(x.ndim))
        _, variance, centred = moments(x, axes)
        # From x - mean at once: where all x are equal, the difference is exactly 0.
        y = x.copy() if self.rms_scaling else centred
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = 1.0 / (np.sqrt(variance + self.epsilon) + self.deviation_epsilon)
            if self.epsilon < np.finfo(x.dtype).tiny:
                # Keras' offset, mean * factor, is no number where this is infinite.
                factor[np.isinf(factor)] = math.nan
            if "gamma" in weights:
                factor = factor * weights["gamma"].reshape(shape)
            np.multiply(y, factor, out=y)
            if "beta" in weights:
                np.add(y, weights["beta"].reshape(shape), out=y)
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for means over time."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class GroupNormalization(Normalization):
    """Normalised with the mean and variance of each sample over groups of channels.

    Wu and He 2018, arXiv:1803.08494; Keras 3.15
    ``keras/src/layers/normalization/group_normalization.py``.

    Args:
        groups: how many; -1: each channel is one.
    """

    op = "group_normalization"
    groups: int
    axis: int = -1

    def check(self) -> None:
        """There is a group."""
        super().check()
        if self.groups < 1 and self.groups != -1:
            raise ValueError(f"{self.op}: groups is {self.groups}, expected 1 or more")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta: (channels,)."""
        channels = shapes[0][normalize_axis(self.axis, len(shapes[0]))]
        if channels is None or channels % self._groups(channels):
            raise ValueError(
                f"{self.op}: {channels} channels make no {self.groups} groups"
            )
        return self.parameters((channels,))

    def _groups(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axis = normalize_axis(self.axis, x.ndim)
        groups = self._groups(x.shape[axis])
        split = (groups, x.shape[axis] // groups)
        grouped = x.reshape(*x.shape[:axis], *split, *x.shape[axis + 1 :])
        axes = tuple(i for i in range(1, grouped.ndim) if i != axis)
        mean, variance, _ = moments(grouped, axes)
        shape = (*(1,) * axis, *split, *(1,) * (x.ndim - axis - 1))
        return self.apply(grouped, mean, variance, weights, shape).reshape(x.shape)

    def over_time(self, *shapes: Shape) -> str:
        """Means are over all axes but the batch."""
        return ACROSS


class RMSNormalization(Layer):
    """``x / sqrt(mean(x * x) + epsilon) * scale``; scale meets the last axes of x.

    Zhang and Sennrich 2019, arXiv:1910.07467; Keras 3.15 ``keras/src/ops/nn.py``.
    """

    op = "rms_normalization"
    rows_apart = True
    storage_axes = stored(scale=FEW)
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-6

    def check(self) -> None:
        """There is an axis, and a mean stays at least 0."""
        if not self.axes or not self.epsilon >= 0:
            raise ValueError(f"{self.op}: illegal axes or epsilon: {self}")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """scale: sizes of the axes, in their order."""
        x = shapes[0]
        return {"scale": tuple(x[axis] for axis in self._sorted(len(x)))}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's."""
        x = shapes[0]
        kept = [x[axis] for axis in self._sorted(len(x))]
        if any(n not in (1, size) for n, size in zip(kept[::-1], x[::-1])):
            raise ValueError(f"{self.op}: a scale of {kept} for an input of {x}")
        return (x,)

    def _sorted(self, rank: int) -> list[int]:
        return sorted(normalize_axis(axis, rank) for axis in self.axes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = self._sorted(x.ndim)
        size = float(math.prod(x.shape[axis] for axis in axes))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (x * x).sum(axis=tuple(axes), keepdims=True) / size
            y: Array = x * (1.0 / np.sqrt(mean + self.epsilon))
            return y * weights["scale"]

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for means over time."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class UnitNormalization(Layer):
    """``x / max(norm(x), least_norm)``, the norm being the Euclidean one.

    Keras 3.15 ``keras/src/layers/normalization/unit_normalization.py``.
    """

    op = "unit_normalization"
    rows_apart = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    least_norm: float

    def check(self) -> None:
        """There is an axis, and nothing is divided by 0."""
        if not self.axes or not self.least_norm > 0:
            raise ValueError(f"{self.op}: illegal axes or least_norm: {self}")

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        axes = tuple(normalize_axis(axis, x.ndim) for axis in self.axes)
        norm = np.sqrt((x * x).sum(axis=axes, keepdims=True))
        y: Array = x * (1.0 / np.maximum(norm, norm.dtype.type(self.least_norm)))
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise but for norms over time."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Mean and variance over some axes, which are kept with size 1; and x - mean."""
    # Over no element at all a mean is NaN, and nothing shows it.
    with np.errstate(divide="ignore", invalid="ignore"):
        size = float(math.prod(x.shape[axis] for axis in axes))
        mean = x.sum(axis=axes, keepdims=True) / size
        apart = x - mean
        return mean, (apart * apart).sum(axis=axes, keepdims=True) / size, apart


LAYERS = {
    layer.op: layer
    for layer in (
        BatchNormalization,
        BatchNormalizationOverAxes,
        GroupNormalization,
        LayerNormalization,
        RMSNormalization,
        UnitNormalization,
    )
}
