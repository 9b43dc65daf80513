"""The nodes of a graph that its outputs need, and the layer of each weight."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.layers.recurrent import is_stateful
from gru2np_runtime.graph import Graph, Node, walk

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Owner:
    """The layer that a weight belongs to.

    Attributes:
        path: of the layer, which may be inside another.
        dtype: that it computes in.
        op: its runtime class.
    """

    path: str
    dtype: str
    op: str


def needed(graph: Graph) -> Graph:
    """The graph without nodes that no output needs.

    Keras runs all calls of a stateful layer that is called several times, even those
    whose outputs nothing reads, and passes the states from call to call; these stay.
    """
    calls = Counter(node.layer for node in graph.nodes)
    several = {
        path
        for path, count in calls.items()
        if count > 1 and is_stateful(graph.layers[path])
    }
    names = {port.source[0] for port in graph.outputs if port.source is not None}
    names.update(node.name for node in graph.nodes if node.layer in several)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in names:
            kept.append(node)
            names.update(name for name, _ in node.references())
    used = {node.layer for node in kept}
    layers = {path: layer for path, layer in graph.layers.items() if path in used}
    return Graph(graph.inputs, kept[::-1], graph.outputs, layers)


def owners_of(graph: Graph) -> Iterator[tuple[str, Owner]]:
    """The path of every weight of a graph, with its layer."""
    _, expected = graph.infer_nodes()
    layers = dict(walk(graph))
    for path, names in expected.items():
        for name in names:
            at = inner = path
            for part in name.split("/")[:-1]:
                inner = f"{inner}/{part}"
                at = inner if inner in layers else at
            yield f"{path}/{name}", Owner(at, layers[at].dtype, layers[at].op)
