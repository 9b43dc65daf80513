"""Run a graph node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.custom import failed
from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.graph import Graph
from gru2np_runtime.layer import has_custom
from gru2np_runtime.plan import CarryingPlan, Plan
from gru2np_runtime.run.fuse import fuse_sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.graph import Node
    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts

    RunNode = Callable[[Node, Plan, list[Array], Array | None], tuple[Array, ...]]


class GraphPlan(Plan):
    """Runs the nodes in order."""

    def __init__(
        self, layer: Graph, weights: Mapping[str, Array], parts: Parts
    ) -> None:
        super().__init__(layer, weights)
        self.graph = layer
        self.plans = dict(parts)
        last_use: dict[str, int] = {}
        for position, node in enumerate(layer.nodes):
            for name, _ in node.references():
                last_use[name] = position
        outputs = {port.source[0] for port in layer.outputs if port.source is not None}
        # By node: the values that no later node reads.
        self.released: list[list[str]] = [[] for _ in layer.nodes]
        for name, position in last_use.items():
            if name not in outputs:
                self.released[position].append(name)
        # The graph as one chain; None if it is no chain that runs whole sequences.
        self.chain = fuse_sequences(layer, self.plans)

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run the graph on inputs (batch, ...)."""
        if self.chain is not None and self.chain.accepts(inputs[0]):
            return (self.chain.run(inputs[0]),)
        return self.outputs(self.values(inputs, release=True))

    def outputs(self, values: Mapping[str, tuple[Array, ...]]) -> tuple[Array, ...]:
        """The outputs of the graph, from the values of its nodes."""
        return tuple(
            values[port.source[0]][port.source[1]]
            for port in self.graph.outputs
            if port.source is not None
        )

    def values(
        self,
        inputs: Sequence[Array],
        *,
        release: bool = False,
        run: RunNode | None = None,
    ) -> dict[str, tuple[Array, ...]]:
        """The outputs of the nodes by name.

        Args:
            inputs: one array for each input.
            release: delete a value after its last use.
            run: runs one node; by default ``Plan.run``.

        Raises:
            InputError: sizes that the shapes leave open do not fit a layer.
        """
        # Values beyond the range of the dtype become infinite, without a warning, as in
        # Keras.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._values(inputs, release, run)

    def _values(
        self, inputs: Sequence[Array], release: bool, run: RunNode | None
    ) -> dict[str, tuple[Array, ...]]:
        values: dict[str, tuple[Array, ...]] = {
            port.name: (array,) for port, array in zip(self.graph.inputs, inputs)
        }
        for node, released in zip(self.graph.nodes, self.released):
            plan = self.plans[node.layer]
            arrays = [
                in_dtype_of(plan.layer, values[name][index])
                for name, index in node.inputs
            ]
            mask = None if node.mask is None else values[node.mask[0]][node.mask[1]]
            try:
                if run is None:
                    values[node.name] = plan.run(arrays, mask)
                else:
                    values[node.name] = run(node, plan, arrays, mask)
            except Gru2npError:
                raise
            except (IndexError, MemoryError, OverflowError, ValueError) as error:
                # Sizes that the shapes leave open do not fit each other or the memory.
                message = _input_message(node, plan.layer, arrays, error)
                raise InputError(message) from error
            except Exception as error:
                if not has_custom(plan.layer):
                    raise
                what = f"layer {node.name!r} ({plan.layer.op})"
                raise failed(what, error) from error
            if release:
                for name in released:
                    del values[name]
        return values

    def stateful(self) -> dict[str, CarryingPlan]:
        """The plans that keep their states between calls, by layer path."""
        return {
            path: plan
            for path, plan in self.plans.items()
            if isinstance(plan, CarryingPlan) and getattr(plan.layer, "stateful", False)
        }


def in_dtype_of(layer: Layer, x: Array) -> Array:
    """X cast to the dtype of the layer, unless the layer keeps this kind of dtype."""
    if x.dtype.kind == "f":
        keeps = not layer.casts_floats
    else:
        keeps = layer.keeps_dtype or layer.keeps_integers
    return x if keeps else x.astype(layer.dtype, copy=False)


def _input_message(
    node: Node, layer: Layer, inputs: Sequence[Array], error: Exception
) -> str:
    shapes = ", ".join(str(x.shape) for x in inputs)
    return f"layer {node.name!r} ({layer.op}) does not take inputs of {shapes}: {error}"


def graph(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan:
    """The plan of a graph, from the plans of its layers."""
    assert isinstance(layer, Graph)
    return GraphPlan(layer, weights, parts)
