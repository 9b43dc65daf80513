"""The third party: the graph of a bundle, widened to float64.

What float32 makes of a sum depends on its order, which Keras and the runtime are each
free to choose.  The same computed in float64 is near enough to exact to say which of
the two is how far away, and so what is rounding and what is an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.verification.calls import Calls
from gru2np.verification.comparison import TOO_FAR, Comparison, Float64, distance
from gru2np_runtime import InputError
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.run.dispatch import make_plan
from gru2np_runtime.run.execution import GraphPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.verification.evidence import Case
    from gru2np_runtime import Layer

    Array = NDArray[Any]

# What is compared with an input is what float32 makes of it, in float64 too.
COMPARED = {"not_equal": "value", "masking": "mask_value"}

# Of a float32, relative to the number.
LAST_DIGIT = 2.0**-23


def plan(graph: Graph, weights: Mapping[str, Array]) -> GraphPlan | None:
    """A plan that runs the graph in float64; None where a layer cannot.

    Layers run by their own plain forward pass and not by the kernels, so that an error
    of those shows as one.
    """
    try:
        widened = _graph(graph)
        exact = {path: wide(own) for path, own in weights.items()}
        found = make_plan(widened, exact, fast=False)
    except (TypeError, ValueError):
        return None
    assert isinstance(found, GraphPlan)
    return found


def wide(array: Array) -> Array:
    """An array in float64, if it is of numbers with fractions."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def nudged_plan(exact: GraphPlan) -> GraphPlan:
    """The same plan, each weight changed in its last digit of float32."""
    weights = {path: nudged(array) for path, array in exact.weights.items()}
    found = plan(exact.graph, weights)
    assert found is not None
    return found


def nudged(array: Array) -> Array:
    """A float64 array, each number changed in its last digit of float32."""
    if array.dtype.kind != "f":
        return array
    signs = np.random.default_rng(0).choice([-1.0, 1.0], array.shape)
    return np.asarray(array * (1.0 + LAST_DIGIT * signs))


def hear(
    case: Case,
    exact: GraphPlan,
    batches: Sequence[Sequence[Array]],
    *,
    asked: bool,
    lenient: bool,
) -> Case:
    """A case with the third party heard about its outputs.

    Args:
        case: the case.
        exact: what ``plan`` gave.
        batches: the inputs of each call, as the graph takes them.
        asked: also of outputs that agree.
        lenient: rounding beyond the tolerance counts as equal.
    """
    if not asked and not any(own.reason == TOO_FAR for own in case.compared):
        return case
    inputs = [[wide(x) for x in batch] for batch in batches]
    try:
        arrays = Calls(exact).outputs(inputs)
    except (InputError, IndexError, ValueError):
        return case
    compared = []
    for i, own in enumerate(case.compared):

        def again(i: int = i) -> Array:
            moved = [[nudged(x) for x in batch] for batch in inputs]
            return Calls(nudged_plan(exact)).outputs(moved)[i]

        sides = case.outputs[own.name], case.expected[own.name], arrays[i]
        compared.append(heard(own, sides, again, lenient=lenient))
    return replace(case, compared=tuple(compared))


def heard(
    own: Comparison,
    arrays: tuple[Array, Array, Array | None],
    again: Callable[[], Array],
    *,
    lenient: bool,
) -> Comparison:
    """A comparison with the third party heard.

    Args:
        own: the comparison.
        arrays: the runtime's, Keras', and the one of float64, if there is one.
        again: gives what float64 makes of numbers that are a last digit away; asked
            only where it matters.
        lenient: rounding beyond the tolerance counts as equal.
    """
    found = _third_party(*arrays)
    if found is None:
        return own
    if own.reason == TOO_FAR and not found.is_rounding(own.tolerance):
        assert arrays[2] is not None
        found = replace(found, moved=distance(again(), arrays[2]))
    return own.beside(found, lenient=lenient)


def _third_party(ours: Array, theirs: Array, exact: Array | None) -> Float64 | None:
    """How far both are from float64; None where it says nothing."""
    if exact is None or exact.dtype != np.float64 or ours.dtype != np.float32:
        return None
    if exact.shape != ours.shape or exact.shape != theirs.shape:
        return None
    return Float64(distance(exact, theirs), distance(exact, ours))


def _graph(graph: Graph) -> Graph:
    return Graph(
        [Port(p.name, p.shape, _dtype(p.dtype), p.source) for p in graph.inputs],
        [Node(n.name, n.layer, n.inputs, n.mask) for n in graph.nodes],
        [Port(p.name, p.shape, _dtype(p.dtype), p.source) for p in graph.outputs],
        {path: _layer(layer) for path, layer in graph.layers.items()},
    )


def _dtype(value: Any) -> Any:
    return "float64" if value == "float32" else value


def _layer(layer: Layer) -> Layer:
    if isinstance(layer, Graph):
        return _graph(layer)
    attributes = {key: _dtype(value) for key, value in layer.attributes().items()}
    compared = COMPARED.get(layer.op)
    if compared is not None:
        attributes[compared] = float(np.float32(attributes[compared]))
    inside = {name: _layer(inner) for name, inner in layer.layers.items()}
    return type(layer)(layers=inside, **attributes)
