"""What a graph needs of its weights and nodes, and whose each weight is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np_runtime.graph import Graph, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np_runtime import Layer


@dataclass(frozen=True)
class Owner:
    """The layer that a weight belongs to.

    Attributes:
        path: of the layer, or of the one inside it.
        dtype: what it computes in.
        op: what it is.
    """

    path: str
    dtype: str
    op: str


def needed(graph: Graph) -> Graph:
    """The graph without nodes that no output needs."""
    names = {port.source[0] for port in graph.outputs if port.source is not None}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in names:
            kept.append(node)
            names.update(name for name, _ in node.references())
    used = {node.layer for node in kept}
    layers = {path: layer for path, layer in graph.layers.items() if path in used}
    return Graph(graph.inputs, kept[::-1], graph.outputs, layers)


def owners_of(graph: Graph) -> Iterator[tuple[str, Owner]]:
    """The path of every weight of a graph, and its layer."""
    _, expected = graph.infer_nodes()
    for path, names in expected.items():
        for name in names:
            layer: Layer = graph.layers[path]
            at, rest = path, name
            while rest.partition("/")[0] in layer.layers:
                first, _, rest = rest.partition("/")
                layer, at = layer.layers[first], f"{at}/{first}"
                if isinstance(layer, Graph):
                    own = max(
                        (p for p in layer.layers if rest.startswith(f"{p}/")), key=len
                    )
                    layer, at = layer.layers[own], f"{at}/{own}"
                    rest = rest[len(own) + 1 :]
            yield f"{path}/{name}", Owner(at, layer.dtype, layer.op)
