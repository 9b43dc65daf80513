"""Bidirectional and TimeDistributed, which run the plans of the layers inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.layers.wrappers import (
    Bidirectional,
    TimeDistributed,
    declared_dtypes,
)
from gru2np_runtime.plan import Carry, CarryingPlan, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts


class BidirectionalPlan(CarryingPlan):
    """Runs the forward layer, then the backward layer; states in the same order."""

    def __init__(
        self, layer: Bidirectional, weights: Mapping[str, Array], parts: Parts
    ) -> None:
        super().__init__(layer, weights)
        self.layer: Bidirectional = layer
        self.forward = _carrying(parts["forward_layer"])
        self.backward = _carrying(parts["backward_layer"])
        self.batch_axis = self.forward.batch_axis
        self.split = len(self.forward.state_shapes())

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Forward states, then backward states."""
        return self.forward.state_shapes() + self.backward.state_shapes()

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The first half of the states belongs to the forward layer."""
        forward = self.forward.begin(batch_size, states[: self.split])
        backward = self.backward.begin(batch_size, states[self.split :])
        return Carry([*forward.states, *backward.states])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """Whole sequences only: the backward layer starts at the last step."""
        outputs, carries = [], []
        for plan, states in (
            (self.forward, carry.states[: self.split]),
            (self.backward, carry.states[self.split :]),
        ):
            half, after = plan.advance(x, mask, Carry(states))
            outputs.append(half)
            carries.extend(after.states)
        (forward, *forward_states), (backward, *backward_states) = outputs
        recurrent = self.layer.halves()[0]
        if recurrent.return_sequences:
            backward = np.flip(backward, axis=0 if recurrent.time_major else 1)
        merged = self.layer.merged(forward, backward)
        return (*merged, *forward_states, *backward_states), Carry(carries)


def _carrying(plan: Plan) -> CarryingPlan:
    if not isinstance(plan, CarryingPlan):
        raise TypeError(f"{plan.layer.op} has no carrying plan")
    return plan


class TimeDistributedPlan(Plan):
    """Runs the child on (batch * time, ...), with the mask of every step."""

    def __init__(
        self, layer: TimeDistributed, weights: Mapping[str, Array], parts: Parts
    ) -> None:
        super().__init__(layer, weights)
        self.inner = parts["layer"]
        # As in Keras, a model inside casts its input to the declared dtype.
        self.declared = declared_dtypes(layer.layers["layer"], "inputs")

    def fused(self) -> tuple[Plan, ...] | None:
        """For a single step the layer inside is all there is to run."""
        # A custom subclass may do more; a state inside starts from zero at every step.
        custom = type(self.layer) is not TimeDistributed
        has_state = isinstance(self.inner, CarryingPlan)
        return None if custom or has_state else self.inner.fused()

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """x: (batch, time, ...); mask: (batch, time, ...)."""
        x = inputs[0]
        folded = x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
        if self.declared and x.dtype.kind != "f":
            folded = folded.astype(self.declared[0], copy=False)
        if mask is not None:
            mask = mask.reshape(folded.shape[0], *mask.shape[2:])
        outputs = self.inner.run([folded], mask)
        return tuple(y.reshape(*x.shape[:2], *y.shape[1:]) for y in outputs)


def bidirectional(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a Bidirectional layer, from the plans of its two layers."""
    assert isinstance(layer, Bidirectional)
    return BidirectionalPlan(layer, weights, parts)


def time_distributed(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a TimeDistributed layer, from the plan of the layer inside."""
    assert isinstance(layer, TimeDistributed)
    return TimeDistributedPlan(layer, weights, parts)
