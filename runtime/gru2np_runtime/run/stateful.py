"""Models saved with ``stateful=True``: each call starts from the states of the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.graph import Node
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import CarryingPlan, Plan
    from gru2np_runtime.run.execution import GraphPlan


class Stateful:
    """The states of a model's stateful layers, and how the model runs with them.

    Attributes:
        states: by path of the layer; none before the first call.
    """

    __slots__ = ("_first", "_layers", "_plan", "states")

    def __init__(
        self, plan: GraphPlan, layers: Mapping[str, CarryingPlan], first: str
    ) -> None:
        self._plan = plan
        self._layers = layers
        # The name of the first input, for messages.
        self._first = first
        self.states: dict[str, list[Array]] = {}

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs; updates the states."""
        values = self._plan.values(arrays, run=self.run_node, release=True)
        return list(self._plan.outputs(values))

    def values(self, arrays: Sequence[Array]) -> dict[str, tuple[Array, ...]]:
        """The outputs of the nodes by name; leaves the states unchanged."""
        before = dict(self.states)
        try:
            return self._plan.values(arrays, run=self.run_node)
        finally:
            self.states = before

    def run_node(
        self, node: Node, plan: Plan, inputs: list[Array], mask: Array | None
    ) -> tuple[Array, ...]:
        """Run a node; a stateful layer starts from the states of its last call."""
        stateful = self._layers.get(node.layer)
        if stateful is None:
            return plan.run(inputs, mask)
        states = inputs[1:] or self.states.get(node.layer, [])
        rows = inputs[0].shape[stateful.batch_axis]
        if states and states[0].shape[0] != rows:
            raise InputError(
                f"layer {node.layer!r} carries states of batch size "
                f"{states[0].shape[0]}, got a batch of {rows}; "
                "call reset_states() to start from zero"
            )
        carry = stateful.begin(rows, states)
        outputs, carry = stateful.advance(inputs[0], mask, carry)
        self.states[node.layer] = carry.states
        return outputs

    def batch_size(self, rows: int, asked: int | None) -> int | None:
        """The batch size: in Keras, a stateful model runs batches of its declared size.

        Args:
            rows: of the inputs.
            asked: the batch size that the caller asked for.

        Raises:
            InputError: the declared size does not divide rows, or is not the one asked
                for.
        """
        declared = self._plan.graph.inputs[0].shape[0]
        if declared is None:
            return asked
        if asked not in (None, declared):
            raise InputError(
                f"batch_size: this stateful model was built for {declared}, got {asked}"
            )
        if rows != declared and (asked is None or rows % declared):
            raise InputError(
                f"input {self._first!r}, axis 0: this stateful model was "
                f"built for batches of {declared}, got {rows}"
            )
        return declared
