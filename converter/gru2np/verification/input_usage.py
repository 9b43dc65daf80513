"""How a model uses its inputs: which numbers are valid, and which are worth trying."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.ir import Array
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph


@dataclass
class Usage:
    """How a model uses one input.

    Attributes:
        rows: of the smallest table that takes it as ids, of an Embedding or of
            categories; None if there is no table.
        limit: the same of the tables that refuse larger ids.
        mask_values: the values that mark a step as padding, of every layer with one.
        breakpoints: numbers at which a layer changes its formula.
        vocabulary: numbers in the vocabulary of a layer.
        only_vocabulary: whether any other number is an error.
        typical: mean and standard deviation of the numbers that a layer is made for.
    """

    rows: int | None = None
    limit: int | None = None
    mask_values: list[float] = field(default_factory=list)
    breakpoints: list[float] = field(default_factory=list)
    vocabulary: list[float] = field(default_factory=list)
    only_vocabulary: bool = False
    typical: list[tuple[Array, Array]] = field(default_factory=list)


class Below(Mapping[str, Any]):
    """The weights below a path, each read on access."""

    def __init__(self, weights: Mapping[str, Array], path: str) -> None:
        self.weights = weights
        self.start = f"{path}/"

    def __getitem__(self, name: str) -> Array:
        return self.weights[self.start + name]

    def __iter__(self) -> Iterator[str]:
        names = (path for path in self.weights if path.startswith(self.start))
        return (path[len(self.start) :] for path in names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def usages(graph: Graph, weights: Mapping[str, Array]) -> dict[str, Usage]:
    """How each input is used, directly or after layers that only move numbers.

    Layers with a discrete output, such as IntegerLookup, are followed too: numbers of a
    later layer are mapped back to the inputs that give them.
    """
    result = {port.name: Usage() for port in graph.inputs}
    known, _ = graph.infer_nodes()
    # For each value the inputs that it comes from, with the discrete layers between.
    sources: dict[str, dict[str, tuple[Layer, ...]]] = {
        port.name: {port.name: ()} for port in graph.inputs
    }
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        read: dict[str, tuple[Layer, ...]] = {}
        for ref, index in node.inputs:
            rank = len(known[ref][index])
            typical = layer.typical_input(Below(weights, node.layer), rank)
            for name, discrete in sources.get(ref, {}).items():
                read[name] = discrete
                if typical is not None and not discrete:
                    pair = typical if ref == name else _scalar(typical)
                    result[name].typical.append(pair)
        for name, discrete in read.items():
            _add_layer(result[name], layer, discrete)
        takes_ids = any(inner.ids for _, inner in walk(layer))
        if layer.discrete_output:
            sources[node.name] = {
                name: (*discrete, layer) for name, discrete in read.items()
            }
        elif layer.keeps_dtype and layer.gives_dtype is None and not takes_ids:
            sources[node.name] = read
    return result


def _scalar(typical: tuple[Array, Array]) -> tuple[Array, Array]:
    """One mean and one deviation over all features."""
    mean, deviation = (np.asarray(x, np.float64) for x in typical)
    return mean.mean(), np.sqrt((deviation**2).mean() + mean.var())


def _add_layer(usage: Usage, layer: Layer, discrete: tuple[Layer, ...]) -> None:
    """Add the numbers of a layer to the usage of an input that it reads.

    Args:
        usage: of the input.
        layer: the layer.
        discrete: the layers with a discrete output between the input and the layer.
    """
    for _, inner in walk(layer):
        if inner.ids and not discrete:
            rows = getattr(inner, inner.ids)
            usage.rows = min(rows, usage.rows or rows)
            if not inner.breakpoints():
                usage.limit = min(rows, usage.limit or rows)
    if layer.compares_with:
        _add_numbers(usage.mask_values, layer.special_values(), discrete)
    else:
        usage.only_vocabulary |= layer.only_special_values and not discrete
        _add_numbers(usage.vocabulary, layer.special_values(), discrete)
    numbers = usage.vocabulary if discrete else usage.breakpoints
    _add_numbers(numbers, layer.breakpoints(), discrete)


def _add_numbers(
    numbers: list[float], more: Sequence[float], discrete: tuple[Layer, ...]
) -> None:
    """Add new numbers, mapped back through the discrete layers to the input."""
    present = set(numbers)
    for number in more:
        at_input: float | None = number
        for layer in discrete[::-1]:
            at_input = None if at_input is None else layer.preimage(at_input)
        if at_input is None or at_input in present or math.isnan(at_input):
            continue
        present.add(at_input)
        numbers.append(at_input)
