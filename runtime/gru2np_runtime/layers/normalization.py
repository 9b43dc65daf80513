"""Normalization by a mean and a variance, or by a norm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import add_to
from gru2np_runtime.functions import FASTER, row_sums
from gru2np_runtime.layer import ACROSS, FEW, Layer, no_products, stored
from gru2np_runtime.layers.axes import normalize_axis, per_step_unless_time_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class Normalization(Layer):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``."""

    independent_rows = True
    storage_axes = stored(gamma=FEW, beta=FEW)
    multiply_adds = no_products
    epsilon: float = 1e-3
    scale: bool = True
    center: bool = True

    def check(self) -> None:
        """``epsilon`` is at least 0."""
        if not self.epsilon >= 0:
            raise ValueError(
                f"{self.op}: epsilon is {self.epsilon}, expected at least 0"
            )

    def parameters(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of gamma, with ``scale``, and of beta, with ``center``."""
        uses = {"gamma": self.scale, "beta": self.center}
        return {name: shape for name, used in uses.items() if used}

    def apply(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        weights: Mapping[str, Array],
        shape: tuple[int, ...],
    ) -> Array:
        """The formula, in the order of Keras' operations.

        Args:
            x: (batch, ...).
            mean: broadcasts to x.
            variance: broadcasts to x.
            weights: may hold gamma and beta.
            shape: the shape in which gamma and beta broadcast to x.
        """
        # A variance of 0 with epsilon 0 gives inf or NaN, as in Keras.
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = 1.0 / np.sqrt(variance + self.epsilon)
            if "gamma" in weights:
                factor = factor * weights["gamma"].reshape(shape)
            offset = -mean * factor
            if "beta" in weights:
                offset = offset + weights["beta"].reshape(shape)
            return add_to(x * factor, offset)


class BatchNormalization(Normalization):
    """Normalization with the mean and variance of training, for each index of an axis.

    Ioffe and Szegedy 2015, arXiv:1502.03167; Keras 3.15
    ``keras/src/layers/normalization/batch_normalization.py``.

    Args:
        axis: the axis that has one mean and variance per index.
        least_epsilon: the smallest epsilon for inputs whose rank is in
            ``least_epsilon_ranks``: a limit of TensorFlow's fused kernel, which Keras 2
            called for images.
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
        """Per step unless each time step has its own mean and variance."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class BatchNormalizationOverAxes(Normalization):
    """``BatchNormalization`` with a mean for each combination of indices of axes.

    tf-keras 2.21 ``tf_keras/layers/normalization/batch_normalization.py``, where
    ``axis`` is a list; Keras 3 does not support it.
    """

    op = "batch_normalization_over_axes"
    storage_axes = BatchNormalization.storage_axes
    axes: tuple[int, ...]

    def check(self) -> None:
        """There are at least 2 axes."""
        super().check()
        if len(self.axes) < 2:
            raise ValueError(f"{self.op}: axes is {self.axes}, expected at least 2")

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta, moving_mean, moving_variance: the input's sizes along the axes.

        They have the rank of the input, with size 1 along other axes.
        """
        x = shapes[0]
        axes = {normalize_axis(axis, len(x)) for axis in self.axes}
        if len(axes) < len(self.axes):
            raise ValueError(f"expected different axes, got {list(self.axes)}")
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
        """Per step unless each time step has its own mean and variance."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class LayerNormalization(Normalization):
    """Normalization with the mean and variance of each sample over some axes.

    Ba et al. 2016, arXiv:1607.06450; Keras 3.15 ``keras/src/ops/nn.py``.

    Args:
        axes: the axes, normalized together.
        rms_scaling: compute ``x / sqrt(variance + epsilon) * gamma``.  Despite Keras'
            name for it, its code uses the variance, not the mean square.
        deviation_epsilon: added to the deviation, while epsilon is added to the
            variance: BatchNormalization in mode 1, Keras 1.2
            ``keras/layers/normalization.py``.
    """

    op = "layer_normalization"
    axes: tuple[int, ...] = (-1,)
    rms_scaling: bool = False
    deviation_epsilon: float = 0.0

    def check(self) -> None:
        """There is at least one axis."""
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
        _, variance, centered = moments(x, axes)
        # Scales x - mean, because it is exactly 0 where all x are equal.
        y = x.copy() if self.rms_scaling else centered
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = 1.0 / (np.sqrt(variance + self.epsilon) + self.deviation_epsilon)
            if self.epsilon < np.finfo(x.dtype).tiny:
                # In Keras, mean * factor is NaN where the factor is infinite.
                factor[np.isinf(factor)] = math.nan
            if "gamma" in weights:
                factor = factor * weights["gamma"].reshape(shape)
            np.multiply(y, factor, out=y)
            if "beta" in weights:
                np.add(y, weights["beta"].reshape(shape), out=y)
        return y

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the mean is over the time axis."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class GroupNormalization(Normalization):
    """Normalization with the mean and variance of each group of channels of a sample.

    Wu and He 2018, arXiv:1803.08494; Keras 3.15
    ``keras/src/layers/normalization/group_normalization.py``.

    Args:
        groups: the number of groups; -1: each channel is a group.
        axis: the channels axis.
    """

    op = "group_normalization"
    groups: int
    axis: int = -1

    def check(self) -> None:
        """``groups`` is at least 1, or -1."""
        super().check()
        if self.groups < 1 and self.groups != -1:
            raise ValueError(
                f"{self.op}: groups is {self.groups}, expected at least 1, or -1"
            )

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """gamma, beta: (channels,)."""
        channels = shapes[0][normalize_axis(self.axis, len(shapes[0]))]
        if channels is None or channels % self._groups(channels):
            raise ValueError(
                f"{self.op}: expected channels to be a multiple of groups="
                f"{self.groups}, got {channels}"
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
        """All time steps at once: means are over all axes but the batch."""
        return ACROSS


class RMSNormalization(Layer):
    """``x / sqrt(mean(x * x) + epsilon) * scale``; scale broadcasts to the last axes.

    Zhang and Sennrich 2019, arXiv:1910.07467; Keras 3.15 ``keras/src/ops/nn.py``.
    """

    op = "rms_normalization"
    independent_rows = True
    storage_axes = stored(scale=FEW)
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-6

    def check(self) -> None:
        """There is an axis, and ``epsilon`` is at least 0."""
        if not self.axes or not self.epsilon >= 0:
            raise ValueError(
                f"{self.op}: expected one or more axes and epsilon >= 0, got {self}"
            )

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """scale: the input's sizes along the axes, in ascending order of axes."""
        x = shapes[0]
        return {"scale": tuple(x[axis] for axis in self._sorted(len(x)))}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape."""
        x = shapes[0]
        scale = [x[axis] for axis in self._sorted(len(x))]
        if any(n not in (1, size) for n, size in zip(scale[::-1], x[::-1])):
            raise ValueError(
                f"{self.op}: expected axes whose sizes broadcast to the last axes of "
                f"the input {x}, got sizes {scale}"
            )
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
        """Per step unless the mean is over the time axis."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


class UnitNormalization(Layer):
    """``x / max(norm(x), least_norm)``, with the Euclidean norm over the axes.

    Keras 3.15 ``keras/src/layers/normalization/unit_normalization.py``.
    """

    op = "unit_normalization"
    independent_rows = True
    multiply_adds = no_products
    axes: tuple[int, ...] = (-1,)
    least_norm: float

    def check(self) -> None:
        """There is an axis, and ``least_norm`` is above 0."""
        if not self.axes or not self.least_norm > 0:
            raise ValueError(
                f"{self.op}: expected one or more axes and least_norm > 0, got {self}"
            )

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
        """Per step unless the norm is over the time axis."""
        return per_step_unless_time_in(self.axes, len(shapes[0]))


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Mean, variance and x - mean; mean and variance keep the axes with size 1."""
    # The mean of no elements is NaN, without a warning.
    with np.errstate(divide="ignore", invalid="ignore"):
        size = float(math.prod(x.shape[axis] for axis in axes))
        if axes == (x.ndim - 1,) and x.size >= FASTER:
            mean = row_sums(x) / size
            centered = x - mean
            return mean, row_sums(centered * centered) / size, centered
        mean = x.sum(axis=axes, keepdims=True) / size
        centered = x - mean
        return (
            mean,
            (centered * centered).sum(axis=axes, keepdims=True) / size,
            centered,
        )


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
