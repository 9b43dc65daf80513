"""The model in float64, to tell rounding from errors.

A float32 sum depends on its order, which Keras and the runtime choose independently.
The float64 result is close enough to the exact one to measure how far each of them is
from it.

It is computed from the file and never from the bundle under test, because a wrong
bundle could be a model that amplifies rounding too much for a verdict.  The model of
the file counts as such only if Keras, run again with every number changed in its last
digit, moves as much.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.verification.comparison import TOO_FAR, Comparison, Float64, distance
from gru2np.verification.node_runner import NodeRunner
from gru2np_runtime import InputError
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.run.dispatch import make_plan
from gru2np_runtime.run.execution import GraphPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gru2np.ir import Array
    from gru2np.verification.evidence import Case
    from gru2np_runtime import Layer
    from gru2np_runtime.plan import Plan


# The relative size of the last digit of a float32.
LAST_DIGIT = 2.0**-23


def plan(graph: Graph, weights: Mapping[str, Array]) -> GraphPlan | None:
    """A plan that runs the graph in float64; None if a layer cannot.

    Layers run by their plain forward pass, not by the kernels, so that errors of the
    kernels are found.
    """
    try:
        widened = _widened_graph(graph)
        exact = {path: wide(array) for path, array in weights.items()}
        graph_plan = make_plan(widened, exact, fast=False)
    except (TypeError, ValueError):
        return None
    assert isinstance(graph_plan, GraphPlan)
    return graph_plan


def wide(array: Array) -> Array:
    """The array in float64 if it holds floats, else as it is."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


class Exact:
    """A model in float64, and the same with numbers nudged: their last digit changed.

    Each is made at its first use.

    Args:
        graph: of the file.
        weights: of the file, by path.
        pools: for each input its landmarks, which are not nudged: a nudged mask value
            would mask nothing.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        pools: Sequence[Array],
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.pools = pools

    @cached_property
    def plan(self) -> GraphPlan | None:
        """The plan in float64; None if a layer does not run in it."""
        return plan(self.graph, self.weights)

    @cached_property
    def nudged(self) -> GraphPlan | None:
        """The plan with nudged weights."""
        if self.plan is None:
            return None
        weights = {path: nudged(array) for path, array in self.plan.weights.items()}
        return plan(self.plan.graph, weights)

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes of the graph by name."""
        return {node.name: node for node in self.graph.nodes}

    def nudged_outputs(self, batches: Iterable[Sequence[Array]]) -> list[Array]:
        """The outputs with inputs, weights and all values between them nudged.

        Args:
            batches: the inputs of each call, in the order of the graph's inputs.
        """
        assert self.nudged is not None
        calls = NodeRunner(self.nudged)

        def run(
            node: Node, plan: Plan, inputs: list[Array], mask: Array | None
        ) -> tuple[Array, ...]:
            # A number that a layer only moves may be a mask value for a later layer.
            floats = [x.ravel() for x in inputs if x.dtype.kind == "f"]
            keep = np.concatenate(
                [*floats, np.array(plan.layer.breakpoints(), np.float64)]
            )
            return tuple(nudged(y, keep) for y in calls.call(node, inputs, mask))

        return calls.outputs((self.nudged_inputs(batch) for batch in batches), run)

    def nudged_inputs(self, inputs: Iterable[Array]) -> list[Array]:
        """Inputs of the model in float64, nudged except for landmarks."""
        return [
            nudged(wide(x), keep) for x, keep in zip(inputs, self.pools, strict=True)
        ]


def nudged(array: Array, keep: Array | None = None) -> Array:
    """A float64 array with each number changed in its last float32 digit.

    Args:
        array: floats; any other array is returned as it is.
        keep: numbers that are not changed.
    """
    if array.dtype.kind != "f":
        return array
    signs = np.random.default_rng(0).choice([-1.0, 1.0], array.shape)
    if keep is not None:
        signs[np.isin(array, wide(keep))] = 0.0
    return np.asarray(array * (1.0 + LAST_DIGIT * signs))


def judge_case(
    case: Case,
    exact: Exact,
    batches: Sequence[Sequence[Array]],
    keras_moved: Callable[[int], float],
    *,
    always: bool,
    lenient: bool,
) -> Case:
    """A case with its outputs judged by float64: an error, or rounding.

    Args:
        case: the case.
        exact: the model in float64.
        batches: the inputs of each call, in the order of the graph's inputs.
        keras_moved: gives how far an output moves in Keras with all numbers nudged;
            called only if the model seems to amplify rounding.
        always: judge outputs that agree too.
        lenient: rounding beyond the tolerance counts as equal.
    """
    if not always and not any(pair.reason == TOO_FAR for pair in case.compared):
        return case
    if exact.plan is None:
        return case
    try:
        arrays = NodeRunner(exact.plan).outputs(
            [[wide(x) for x in batch] for batch in batches]
        )
    except (InputError, IndexError, ValueError):
        return case
    if len(arrays) != len(case.compared):
        return case
    compared = []
    for i, comparison in enumerate(case.compared):

        def moved(i: int = i) -> float:
            return distance(exact.nudged_outputs(batches)[i], arrays[i])

        sides = case.outputs[comparison.name], case.expected[comparison.name], arrays[i]
        judged = judge(comparison, sides, moved, lenient=lenient)
        if judged.amplified and judged.float64 is not None:
            # Keras has to confirm that the model amplifies rounding.
            least = min(judged.float64.moved, keras_moved(i))
            judged = replace(judged, float64=replace(judged.float64, moved=least))
        compared.append(judged)
    return replace(case, compared=tuple(compared))


def judge(
    comparison: Comparison,
    arrays: tuple[Array, Array, Array | None],
    moved: Callable[[], float],
    *,
    lenient: bool,
) -> Comparison:
    """A comparison judged by float64: an error, or rounding.

    Args:
        comparison: the comparison.
        arrays: the runtime's, Keras', and the float64 one if there is one.
        moved: gives how far the float64 result moves with all numbers nudged; called
            only if the verdict depends on it.
        lenient: rounding beyond the tolerance counts as equal.
    """
    float64 = _distances(*arrays)
    if float64 is None:
        return comparison
    if comparison.reason == TOO_FAR and not float64.is_rounding(comparison.tolerance):
        float64 = replace(float64, moved=moved())
    return comparison.judged(float64, lenient=lenient)


def _distances(ours: Array, theirs: Array, exact: Array | None) -> Float64 | None:
    """How far both are from float64; None if there is no comparable array."""
    if exact is None or exact.dtype != np.float64 or ours.dtype != np.float32:
        return None
    if exact.shape != ours.shape or exact.shape != theirs.shape:
        return None
    return Float64(distance(exact, theirs), distance(exact, ours))


def _widened_graph(graph: Graph) -> Graph:
    return Graph(
        [Port(p.name, p.shape, _dtype(p.dtype), p.source) for p in graph.inputs],
        [Node(n.name, n.layer, n.inputs, n.mask) for n in graph.nodes],
        [Port(p.name, p.shape, _dtype(p.dtype), p.source) for p in graph.outputs],
        {path: _widened_layer(layer) for path, layer in graph.layers.items()},
    )


def _rounded(value: Any) -> Any:
    """The value with its floats rounded to float32."""
    if isinstance(value, tuple):
        return tuple(_rounded(item) for item in value)
    with np.errstate(over="ignore"):
        return float(np.float32(value)) if isinstance(value, float) else value


def _dtype(value: Any) -> Any:
    return "float64" if value == "float32" else value


def _widened_layer(layer: Layer) -> Layer:
    if isinstance(layer, Graph):
        return _widened_graph(layer)
    attributes = {key: _dtype(value) for key, value in layer.attributes().items()}
    # Inputs are compared with the float32 value, in float64 too.
    if layer.compares_with:
        attributes[layer.compares_with] = _rounded(attributes[layer.compares_with])
    elif layer.breakpoints():
        attributes = {key: _rounded(value) for key, value in attributes.items()}
    inner_layers = {name: _widened_layer(x) for name, x in layer.layers.items()}
    return type(layer)(layers=inner_layers, **attributes)
