"""A causal convolution over time, its last inputs carried along."""

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
    """A causal convolution over time; its state is the last inputs it looks back to.

    The zeros that ``causal`` pads with are the state before the first step, so that
    whole sequences and single steps are one computation.
    """

    def __init__(self, layer: Conv, weights: Mapping[str, Array]) -> None:
        super().__init__(layer, weights)
        self.layer: Conv = layer
        self.kept = layer.reach[0] - 1
        self.channels = weights["kernel"].shape[1] * layer.groups

    def state_shapes(self) -> list[tuple[int, ...]]:
        """One state, (steps looked back to, channels)."""
        return [(self.kept, self.channels)]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """Zeros; no layer gives this state."""
        dtype = self.weights["kernel"].dtype
        return Carry([np.zeros((batch_size, self.kept, self.channels), dtype)])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, channels)."""
        x = np.concatenate([carry.states[0], x], axis=1)
        kept = x[:, x.shape[1] - self.kept :]
        return (self.layer.convolve(self.weights, x),), Carry([kept])


def causal(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The plan of a convolution that looks back only; None for any other."""
    assert isinstance(layer, Conv)
    shape = (None,) * (len(layer.kernel_size) + 2)
    return CausalPlan(layer, weights) if layer.over_time(shape) == CARRIED else None
