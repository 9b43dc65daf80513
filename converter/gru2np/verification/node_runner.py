"""Run the nodes of a graph one by one, so that inputs and outputs can be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gru2np.ir import Array
    from gru2np_runtime.graph import Node
    from gru2np_runtime.plan import Plan
    from gru2np_runtime.run.execution import GraphPlan, RunNode

    Arrays = tuple[Array, ...]


class NodeRunner:
    """Runs the nodes of a plan one by one, with states carried between calls."""

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        self.stateful = plan.stateful()
        self.states: dict[str, list[Array]] = {}

    def call(
        self, node: Node, inputs: Sequence[Array], mask: Array | None
    ) -> tuple[Array, ...]:
        """Run a node; a stateful layer starts where its last call ended."""
        plan = self.plan.plans[node.layer]
        stateful = self.stateful.get(node.layer)
        if stateful is None:
            return plan.run(inputs, mask)
        states = list(inputs[1:]) or self.states.get(node.layer, [])
        carry = stateful.begin(inputs[0].shape[stateful.batch_axis], states)
        outputs, carry = stateful.advance(inputs[0], mask, carry)
        self.states[node.layer] = carry.states
        return outputs

    def outputs(
        self, batches: Iterable[Sequence[Array]], run: RunNode | None = None
    ) -> list[Array]:
        """The outputs of the whole graph, over all batches.

        Args:
            batches: the inputs of each call.
            run: runs one node; by default ``call``.
        """
        run = run or self._run
        results = []
        for batch in batches:
            values = self.plan.values(batch, run=run, release=True)
            results.append(self.plan.outputs(values))
        return [joined(parts) for parts in zip(*results, strict=True)]

    def _run(
        self, node: Node, plan: Plan, inputs: list[Array], mask: Array | None
    ) -> Arrays:
        return self.call(node, inputs, mask)


def joined(parts: Sequence[Array]) -> Array:
    """The arrays of several batches, concatenated."""
    return parts[0] if len(parts) == 1 else np.concatenate(np.atleast_1d(*parts))
