"""Layers that chains of recurrent layers may hold besides these; see ``run.fuse``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.layers.dense import Dense
    from gru2np_runtime.plan import Parts


class DensePlan(Plan):
    """A Dense layer; every kernel packs it into its chains."""

    layer: Dense

    def fused(self) -> tuple[Plan, ...]:
        """The layer itself."""
        return (self,)


class IdentityPlan(Plan):
    """A layer that gives its input back: a chain has nothing to run for it."""

    def fused(self) -> tuple[Plan, ...]:
        """No layer."""
        return ()


def dense(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a Dense layer."""
    return DensePlan(layer, weights)


def identity(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of an Identity."""
    return IdentityPlan(layer, weights)
