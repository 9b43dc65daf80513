"""What a model costs: multiply-adds by layer, and memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from gru2np_runtime.layer import sized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Shape

# Sizes tried for axes that are free, until the shapes fit the layers; each is counted
# once, twice and three times, so that every usual stride divides what is added.
_SIZES = (240, 32, 64, 128, 224, 512, 1024)


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one layer, or of a model, for one sample.

    Attributes:
        once: those that every sample needs, however long; less than 0 where windows
            need some steps before they give the first.
        per_step: those that every time step adds, on average where strides skip some;
            0 where time is not free.
        at: where they do not grow evenly, or another axis is free: the size of the
            free axes that ``once`` was counted at; else None.
    """

    once: float
    per_step: float = 0
    at: int | None = None


@dataclass(frozen=True)
class Costs:
    """What a model costs.

    Attributes:
        layers: by layer path, all its calls together.
        total: of the model.
        weight_bytes: of the weights as the runtime holds them.
        state_bytes: of the states of recurrent layers for one sequence.
    """

    layers: Mapping[str, Cost]
    total: Cost
    weight_bytes: int
    state_bytes: int


def costs(graph: Graph) -> Costs | None:
    """What a graph costs; None where no sizes of its free axes fit its layers.

    Args:
        graph: of the whole model.
    """
    free = {
        axis
        for port in graph.inputs
        for axis, size in enumerate(port.shape)
        if axis and size is None
    }
    if not free:
        return _summed(graph, _counts(graph, 1), None)
    for size in _SIZES:
        try:
            found = [_counts(graph, size * times) for times in (1, 2, 3)]
        except (ValueError, TypeError, IndexError):
            continue
        return _summed(graph, found[0], (size, found, free == {1}))
    return None


def _summed(
    graph: Graph,
    counted: Mapping[str, int],
    growth: tuple[int, Sequence[Mapping[str, int]], bool] | None,
) -> Costs:
    layers = {path: Cost(count) for path, count in counted.items()}
    total = Cost(sum(counted.values()))
    if growth is not None:
        size, found, along_time = growth
        sums = [sum(own.values()) for own in found]
        total = _growing(sums, size, along_time)
        layers = {
            path: _growing([own[path] for own in found], size, along_time)
            for path in counted
        }
    _, expected = graph.infer_nodes()
    held = sum(
        prod(n or 0 for n in shape) * _number_bytes(graph.layers[path])
        for path, own in expected.items()
        for shape in own.values()
    )
    return Costs(layers, total, held, _state_bytes(graph))


def _growing(counts: Sequence[int], size: int, along_time: bool) -> Cost:
    first, second, third = counts
    if first == second == third:
        return Cost(first)
    if along_time and third - second == second - first:
        step = (second - first) / size
        return Cost(first - size * step, step)
    return Cost(first, 0, size)


def _number_bytes(layer: Layer) -> int:
    return 8 if layer.dtype == "float64" else 4


def _counts(graph: Graph, size: int) -> dict[str, int]:
    """Multiply-adds by layer path, free axes of that size and a batch of one."""
    shapes = [
        (1, *(size if n is None else n for n in port.shape[1:]))
        for port in graph.inputs
    ]
    known, _ = graph.infer_nodes(shapes)
    found: dict[str, int] = {}
    for node in graph.nodes:
        inputs = [sized(known[name][i], size) for name, i in node.inputs]
        outputs = [sized(shape, size) for shape in known[node.name]]
        layer = graph.layers[node.layer]
        path = node.layer.partition("#")[0]
        found[path] = found.get(path, 0) + layer.multiply_adds(inputs, outputs)
    return found


def _state_bytes(graph: Graph) -> int:
    """What the calls of a graph carry from step to step, for one sequence."""
    known, _ = graph.infer_nodes()
    return sum(
        _carried(graph.layers[node.layer], known[node.inputs[0][0]][node.inputs[0][1]])
        for node in graph.nodes
        if node.inputs
    )


def _carried(layer: Layer, shape: Shape) -> int:
    # Of space that is free nothing can be said.
    states = layer.state_shapes(shape)
    return _number_bytes(layer) * sum(prod(sized(n[1:], 0)) for n in states)
