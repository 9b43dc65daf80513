"""Activation functions with trained parameters, one value for each feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gru2np_runtime.functions import softplus
from gru2np_runtime.layer import ACROSS, PER_ELEMENT, PER_STEP, Layer, no_products
from gru2np_runtime.layers.axes import check_minimum, normalize_axis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class Trained(Layer):
    """An elementwise function with parameters of the input's shape.

    Args:
        shared_axes: axes along which all elements share a parameter.
    """

    independent_rows = True
    multiply_adds = no_products
    shared_axes: tuple[int, ...] = ()
    # Names of the parameters, in Keras' order.
    parameters: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        """Shared axes are at least 1: the batch axis is always shared, never named."""
        check_minimum(self.op, "shared_axes", self.shared_axes, 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Each parameter: the input's shape without the batch, 1 along shared axes."""
        shared = {normalize_axis(axis, len(shapes[0])) for axis in self.shared_axes}
        axes = range(1, len(shapes[0]))
        shape = tuple(1 if i in shared else shapes[0][i] for i in axes)
        return dict.fromkeys(self.parameters, shape)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where all time steps share their parameters."""
        return PER_STEP if 1 in self.shared_axes else ACROSS


class PReLU(Trained):
    """``max(x, 0) + alpha * min(x, 0)``, alpha trained; He et al. 2015."""

    op = "prelu"
    parameters = ("alpha",)
    storage_axes = dict.fromkeys(parameters, PER_ELEMENT)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        below: Array = weights["alpha"] * np.minimum(x, 0.0)
        return np.maximum(x, 0.0) + below


class SReLU(Trained):
    """Piecewise linear, with breakpoints ``t_left`` and ``t_left + |t_right|``.

    The slopes are ``a_left``, 1 and ``a_right``.  Jin et al. 2015; Keras 1.2
    ``keras/layers/advanced_activations.py``.

    Args:
        left_is_capped: the left piece never exceeds the value at the second
            breakpoint, as on Theano; this matters for a negative ``a_left``.
    """

    op = "srelu"
    left_is_capped: bool = False
    parameters = ("t_left", "a_left", "t_right", "a_right")
    storage_axes = dict.fromkeys(parameters, PER_ELEMENT)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x, left = inputs[0], weights["t_left"]
        right = left + np.abs(weights["t_right"])
        below = weights["a_left"] * np.minimum(x - left, 0.0)
        if self.left_is_capped:
            below = np.minimum(below, right - left)
        above = weights["a_right"] * np.maximum(x - right, 0.0)
        y: Array = np.clip(x, left, right) + below + above
        return y


class ParametricSoftplus(Trained):
    """``alpha * softplus(beta * x)``; McFarland et al. 2013.

    Keras 1.2 ``keras/layers/advanced_activations.py``.
    """

    op = "parametric_softplus"
    parameters = ("alpha", "beta")
    storage_axes = dict.fromkeys(parameters, PER_ELEMENT)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        y: Array = weights["alpha"] * softplus(weights["beta"] * inputs[0])
        return y


LAYERS = {layer.op: layer for layer in (PReLU, ParametricSoftplus, SReLU)}
