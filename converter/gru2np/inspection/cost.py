"""What a model costs: multiply-adds by layer, and memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from gru2np_runtime.graph import walk
from gru2np_runtime.layer import sized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph

# Sizes for axes that are free, until one fits the layers.  Usual strides divide them.
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
    """What a graph costs; None where that cannot be counted for one sample.

    No sizes of its free axes fit its layers, or its samples are not on axis 0.

    Args:
        graph: of the whole model.
    """
    if any(getattr(layer, "time_major", False) for _, layer in walk(graph)):
        return None
    axes = (enumerate(port.shape[1:], 1) for port in graph.inputs)
    free = {axis for sizes in axes for axis, size in sizes if size is None}
    for size in _SIZES if free else (1,):
        try:
            counts = [_counts(graph, n * size if free else 1) for n in (1, 2, 3)]
        except (ValueError, TypeError, IndexError):
            continue
        break
    else:
        return None
    layers = {
        path: _cost([count[path] for count in counts], size, free == {1})
        for path in counts[0]
    }
    total = _cost([sum(count.values()) for count in counts], size, free == {1})
    return Costs(layers, total, _weight_bytes(graph), _state_bytes(graph))


def _cost(counts: Sequence[int], size: int, over_time: bool) -> Cost:
    """The cost that is counted at a size of the free axes, at twice and at thrice it.

    Args:
        counts: the three.
        size: the first of the three sizes.
        over_time: time is the only free axis.
    """
    first, second, third = counts
    if first == second == third:
        return Cost(first)
    if over_time and third - second == second - first:
        step = (second - first) / size
        return Cost(first - size * step, step)
    return Cost(first, 0, size)


def _weight_bytes(graph: Graph) -> int:
    _, weights = graph.infer_nodes()
    return sum(
        prod(n or 0 for n in shape) * _number_bytes(graph.layers[path])
        for path, shapes in weights.items()
        for shape in shapes.values()
    )


def _number_bytes(layer: Layer) -> int:
    return 8 if layer.dtype == "float64" else 4


def _counts(graph: Graph, size: int) -> dict[str, int]:
    """Multiply-adds of one sample by layer path, free axes of that size."""
    batch = next(filter(None, (port.shape[0] for port in graph.inputs)), 1)
    shapes = [(batch, *sized(port.shape[1:], size)) for port in graph.inputs]
    known, _ = graph.infer_nodes(shapes)
    counts: dict[str, int] = {}
    for node in graph.nodes:
        inputs = [sized(known[name][i], size) for name, i in node.inputs]
        outputs = [sized(shape, size) for shape in known[node.name]]
        layer = graph.layers[node.layer]
        path = node.layer.partition("#")[0]
        counts[path] = counts.get(path, 0) + layer.multiply_adds(inputs, outputs)
    return {path: count // batch for path, count in counts.items()}


def _state_bytes(graph: Graph) -> int:
    """What the calls of a graph carry from step to step, for one sequence."""
    known, _ = graph.infer_nodes()
    total = 0
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        name, index = node.inputs[0]
        # Nothing is known of space whose size is free.
        shapes = [sized(n[1:], 0) for n in layer.state_shapes(known[name][index])]
        total += _number_bytes(layer) * sum(map(prod, shapes))
    return total
