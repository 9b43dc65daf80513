"""Facts on tensors and layers in a report, from a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph, Node

    Titles = Mapping[str, tuple[str, str]]
    Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: its name.
        shape: with None for a free size; axis 0 is the batch.
        dtype: NumPy's name.
    """

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class LayerFacts:
    """A layer.

    Attributes:
        path: its path; ``/`` separates the names of nested models.
        class_name: its Keras class.
        op: its op in the bundle; empty if it cannot be converted.
        output_shapes: of its first call.
        parameters: the number of its parameters, with layers inside; None if unknown.
        options: every option with its value; for a model that cannot be converted,
            those in the file.
        notable: names of the options that are not at their default.
        weights: shapes by name.
        calls: the number of calls in the model.
        inputs: the layers that its first call reads.
        mask: the layer that its mask comes from; None without a mask.
        inside: the layers inside it.
    """

    path: str
    class_name: str
    op: str = ""
    output_shapes: tuple[Shape, ...] = ()
    parameters: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notable: tuple[str, ...] = ()
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    calls: int = 1
    inputs: tuple[str, ...] = ()
    mask: str | None = None
    inside: tuple[LayerFacts, ...] = ()


@dataclass(frozen=True)
class OwnerFacts:
    """What owns some arrays, in a file of weights without an architecture.

    Attributes:
        path: its name, or the path of attributes that leads to it.
        arrays: shapes by name, in the order of the file.
        parameters: how many numbers they hold.
        looks_like: the layer that has arrays of these shapes, in words; empty if none
            is known.
    """

    path: str
    arrays: Mapping[str, tuple[int, ...]]
    parameters: int
    looks_like: str


# Of masked_output the meaning has a sentence, if there is a mask; the results of a
# function are the shape of its output.
_UNSAID = ("masked_output", "results")
# A model inside TimeDistributed has no title.
_PLAIN = {"graph": "Model"}


def layers_of(
    graph: Graph, titles: Titles, shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[LayerFacts]:
    """The Keras layers of a graph, without those that compute masks."""
    known, _ = graph.infer_nodes()
    calls: dict[str, list[Node]] = {}
    for node in graph.nodes:
        calls.setdefault(node.layer, []).append(node)
    for path, nodes in calls.items():
        if "#" in path:
            continue
        first = nodes[0]
        yield _facts(
            path,
            graph.layers[path],
            titles,
            shapes,
            output_shapes=known[first.name],
            calls=len(nodes),
            inputs=tuple(name.partition("#")[0] for name, _ in first.inputs),
            mask=first.mask and first.mask[0].partition("#")[0],
        )


def _facts(
    path: str,
    layer: Layer,
    titles: Titles,
    shapes: Mapping[str, tuple[int, ...]],
    **more: Any,
) -> LayerFacts:
    weights = {
        weight: shape
        for weight, shape in shapes.items()
        if weight.startswith(f"{path}/")
    }
    return LayerFacts(
        path=path,
        class_name=titles[path][1]
        if path in titles
        else _PLAIN.get(layer.op, layer.op),
        op=layer.op,
        parameters=sum(prod(shape) for shape in weights.values()),
        options=layer.attributes(),
        notable=_notable(layer),
        weights={weight[len(path) + 1 :]: shape for weight, shape in weights.items()},
        inside=tuple(
            _facts(f"{path}/{name}", child, titles, shapes)
            for name, child in layer.layers.items()
            if "#" not in name
        ),
        **more,
    )


def _notable(layer: Layer) -> tuple[str, ...]:
    """Options without a default or that differ from it."""
    return tuple(
        name
        for name, value in layer.attributes().items()
        if name not in _UNSAID
        and value != {}
        and not (hasattr(type(layer), name) and getattr(type(layer), name) == value)
    )
