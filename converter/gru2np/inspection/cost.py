"""The cost of a model: multiply-adds by layer, and memory."""

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

# Sizes to try for free axes; usual strides divide them.
_SIZES = (240, 32, 64, 128, 224, 512, 1024)


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one layer, or of a model, for one sample.

    Attributes:
        once: those of a sample of any length; negative if windows need several steps
            for their first output.
        per_step: those of each time step, the average if strides skip steps; 0 if the
            time axis is not free.
        at: the size of free axes at which ``once`` was counted, if it does not grow
            linearly or another axis than time is free; else None.
    """

    once: float
    per_step: float = 0
    at: int | None = None


@dataclass(frozen=True)
class Costs:
    """The cost of a model.

    Attributes:
        layers: by layer path, the sum of its calls.
        total: of the model.
        weight_bytes: of the weights as the runtime holds them.
        state_bytes: of the states of recurrent layers for one sequence.
    """

    layers: Mapping[str, Cost]
    total: Cost
    weight_bytes: int
    state_bytes: int


def costs(graph: Graph) -> Costs | None:
    """The cost of a graph; None if it cannot be counted for one sample.

    That is so if no sizes of free axes fit its layers, or samples are not on axis 0.

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
    """The cost by counts at one, two and three times a size of the free axes.

    Args:
        counts: three.
        size: the first of the three sizes.
        over_time: whether time is the only free axis.
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
    """Multiply-adds of one sample by layer path, with that size of free axes."""
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
    """Bytes of the states that a graph carries from step to step, for one sequence."""
    known, _ = graph.infer_nodes()
    total = 0
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        name, index = node.inputs[0]
        # Free axes of images count as 0.
        shapes = [sized(n[1:], 0) for n in layer.state_shapes(known[name][index])]
        total += _number_bytes(layer) * sum(map(prod, shapes))
    return total
