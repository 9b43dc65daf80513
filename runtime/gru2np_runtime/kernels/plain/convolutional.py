"""A causal convolution over time, with its last inputs as state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layer import CARRIED
from gru2np_runtime.layers.convolutional import Conv
from gru2np_runtime.plan import Carry, CarryingPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts, Plan


class CausalPlan(CarryingPlan):
    """Runs a causal convolution; the state is its last ``reach - 1`` inputs.

    The zeros of causal padding are the state before the first step, so that whole
    sequences and single steps are the same computation.
    """

    def __init__(self, layer: Conv, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: Conv = layer
        self.steps = layer.reach[0] - 1
        self.channels = weights["kernel"].shape[1] * layer.groups

    def state_shapes(self) -> list[tuple[int, ...]]:
        """One state, (time steps, channels)."""
        return [(self.steps, self.channels)]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """Zeros; the graph cannot give a convolution an initial state."""
        dtype = self.weights["kernel"].dtype
        return Carry([np.zeros((batch_size, self.steps, self.channels), dtype)])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, channels)."""
        x = np.concatenate([carry.states[0], x], axis=1)
        last = x[:, x.shape[1] - self.steps :]
        return (self.layer.convolve(self.weights, x),), Carry([last])


def causal(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The plan of a causal convolution over time; None for any other convolution."""
    assert isinstance(layer, Conv)
    shape = (None,) * (len(layer.kernel_size) + 2)
    return CausalPlan(layer, weights) if layer.over_time(shape) == CARRIED else None
