"""Compare every layer call of a bundle, with the inputs that it had in Keras.

One wrong layer makes every layer after it wrong.  So each layer gets the outputs of
Keras as its inputs, never those of the runtime: then a difference is the fault of that
layer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import leaves
from gru2np.verification import float64
from gru2np.verification.comparison import (
    Comparison,
    Tolerance,
    compare,
    distance,
    refused,
)
from gru2np.verification.evidence import NodeEvidence
from gru2np.verification.input_usage import Usage
from gru2np.verification.landmarks import pool
from gru2np.verification.node_runner import NodeRunner, joined
from gru2np_runtime import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import Array, KerasModel
    from gru2np.verification.float64 import Exact
    from gru2np.verification.keras_process import NodeOutputs
    from gru2np_runtime.graph import Node
    from gru2np_runtime.plan import Plan
    from gru2np_runtime.run.execution import GraphPlan

    Arrays = tuple[Array, ...]


class Layerwise:
    """The nodes of a bundle compared with those of Keras, case by case.

    Args:
        plan: of the bundle's graph.
        exact: the file's model in float64; None for models that are not float32.
        unnamed: layers that Keras names differently at every load.
        tolerance: of the outputs of layers.
        lenient: rounding beyond it counts as equal.
    """

    def __init__(
        self,
        plan: GraphPlan,
        exact: Exact | None,
        unnamed: frozenset[str],
        tolerance: Tolerance,
        lenient: bool,
    ) -> None:
        self.plan = plan
        self.exact = exact
        self.unnamed = unnamed
        self.tolerance = tolerance
        self.lenient = lenient
        self.not_compared: dict[str, None] = {}

    def case(
        self,
        name: str,
        batches: Sequence[Sequence[Array]],
        theirs: Mapping[str, NodeOutputs],
    ) -> Iterator[tuple[list[Comparison], NodeEvidence]]:
        """Every node of a case: a comparison for each output, and the arrays.

        Args:
            name: of the case.
            batches: the inputs of each call.
            theirs: Keras' outputs by the name of the node.
        """
        ours = [node.name for node in self.plan.graph.nodes]
        # Nodes with # in their name compute masks, which Keras does inside layers.
        only_ours = [n for n in ours if n not in theirs and "#" not in n]
        only_theirs = [
            n for n, outputs in theirs.items() if outputs.is_layer and n not in ours
        ]
        unmatched = (n for n in (*only_ours, *only_theirs) if not self._unnamed(n))
        self.not_compared.update(dict.fromkeys(unmatched))
        runs: dict[str, list[_Run]] = {}
        runner = NodeRunner(self.plan)
        plan = None if self.exact is None else self.exact.plan
        exact = None if plan is None else NodeRunner(plan)
        for number, batch in enumerate(batches):
            self._run_batch(batch, number, theirs, (runner, exact), runs)
        for node, parts in runs.items():
            yield self._compared(name, node, theirs[node].kind, parts)

    def _unnamed(self, node: str) -> bool:
        return node.partition("#")[0] in self.unnamed

    def _run_batch(
        self,
        batch: Sequence[Array],
        number: int,
        theirs: Mapping[str, NodeOutputs],
        calls: tuple[NodeRunner, NodeRunner | None],
        runs: dict[str, list[_Run]],
    ) -> None:
        """Run the nodes on one batch, each with the inputs that it had in Keras."""

        def run(
            node: Node, plan: Plan, inputs: list[Array], mask: Array | None
        ) -> Arrays:
            keras = None if self._unnamed(node.name) else theirs.get(node.name)
            if keras is None:
                return calls[0].call(node, inputs, mask)
            outputs = keras.batches[number]
            node_run = _Run(tuple(inputs), mask, outputs)
            try:
                node_run.ours = calls[0].call(node, inputs, mask)
            except (InputError, IndexError, ValueError) as error:
                node_run.refusal = str(error)
            if calls[1] is not None and self.exact is not None:
                exact_node = self.exact.nodes.get(node.name)
                if exact_node is not None:
                    node_run.exact = _in_float64(calls[1], exact_node, inputs, mask)
            runs.setdefault(node.name, []).append(node_run)
            return _as_inputs([array for array, _ in outputs], node_run.ours)

        self.plan.values(batch, run=run, release=True)

    def _compared(
        self, case: str, node: str, kind: str, runs: Sequence[_Run]
    ) -> tuple[list[Comparison], NodeEvidence]:
        dtypes = [dtype for _, dtype in runs[0].theirs]
        theirs = _columns([[array for array, _ in run.theirs] for run in runs])
        ours = _columns([run.ours for run in runs])
        refusal = next((run.refusal for run in runs if run.refusal), "")
        exact: Arrays | None = None
        if all(run.exact is not None for run in runs):
            exact = _columns([run.exact or () for run in runs])
        pairs = []
        for i, (expected, dtype) in enumerate(zip(theirs, dtypes, strict=True)):
            label = f"{node} [{i}]" if len(theirs) > 1 else node
            if refusal:
                pairs.append(refused(label, expected, refusal, kind=kind, case=case))
            elif i < len(ours):
                comparison = compare(
                    label,
                    ours[i],
                    expected,
                    self.tolerance,
                    kind=kind,
                    case=case,
                    expected_dtype=dtype,
                )
                third = exact[i] if exact is not None and i < len(exact) else None

                def moved(i: int = i, third: Array | None = third) -> float:
                    assert third is not None
                    return distance(self._nudged(node, runs)[i], third)

                arrays = ours[i], expected, third
                pairs.append(
                    float64.judge(comparison, arrays, moved, lenient=self.lenient)
                )
        inputs = _columns([run.inputs for run in runs])
        masks = [run.mask for run in runs if run.mask is not None]
        mask = joined(masks) if masks else None
        return pairs, NodeEvidence(node, kind, inputs, mask, theirs, ours, exact)

    def _nudged(self, name: str, runs: Sequence[_Run]) -> Arrays:
        """The outputs of a node in float64 with all numbers nudged."""
        assert self.exact is not None
        assert self.exact.nudged is not None
        node = self.exact.nodes[name]
        layer = self.exact.graph.layers[node.layer]
        usage = Usage(
            breakpoints=[*layer.breakpoints()], vocabulary=[*layer.special_values()]
        )
        calls = NodeRunner(self.exact.nudged)

        def nudged(x: Array) -> Array:
            return float64.nudged(
                float64.wide(x), pool(usage, x.dtype.name, half=False)
            )

        return _columns(
            [
                calls.call(node, [nudged(x) for x in run.inputs], run.mask)
                for run in runs
            ]
        )


class _Run:
    """One call of a node: its inputs in Keras, and the outputs of each side."""

    def __init__(
        self, inputs: Arrays, mask: Array | None, theirs: list[tuple[Array, str]]
    ) -> None:
        self.inputs = inputs
        self.mask = mask
        self.theirs = theirs
        self.ours: Arrays = ()
        self.exact: Arrays | None = None
        self.refusal = ""


def _in_float64(
    calls: NodeRunner, node: Node, inputs: Sequence[Array], mask: Array | None
) -> Arrays | None:
    try:
        return calls.call(node, [float64.wide(x) for x in inputs], mask)
    except (InputError, IndexError, TypeError, ValueError):
        # The bundle is of another file, in which the layer has other inputs.
        return None


def _as_inputs(theirs: Sequence[Array], ours: Arrays) -> Arrays:
    """Keras' outputs in the dtypes of the runtime, as inputs of later layers."""
    if not ours:
        return tuple(theirs)
    outputs = [
        array.astype(computed.dtype, copy=False)
        for array, computed in zip(theirs, ours, strict=False)
    ]
    return (*outputs, *ours[len(outputs) :])


def _columns(rows: Sequence[Sequence[Array]]) -> Arrays:
    return tuple(joined(parts) for parts in zip(*rows, strict=False))


def unnamed(model: KerasModel) -> Iterator[str]:
    """Operations that Keras names differently at every load, as most before 3.10."""
    for path, layer in leaves(model):
        if layer.class_name.startswith("ops.") and "name" not in layer.config:
            yield path
