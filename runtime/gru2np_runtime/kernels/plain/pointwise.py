"""Layers that may be in a chain together with recurrent layers; see ``run.fuse``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.layers.dense import Dense
    from gru2np_runtime.plan import Parts


class DensePlan(Plan):
    """Runs a Dense layer by itself; in a chain the kernel of the chain runs it."""

    layer: Dense

    def fused(self) -> tuple[Plan, ...]:
        """This plan."""
        return (self,)


class IdentityPlan(Plan):
    """Returns the input; a chain leaves the layer out."""

    def fused(self) -> tuple[Plan, ...]:
        """Nothing to run."""
        return ()


def dense(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a Dense layer."""
    return DensePlan(layer, weights)


def identity(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of an Identity layer."""
    return IdentityPlan(layer, weights)
