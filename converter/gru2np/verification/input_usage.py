"""What a model does with its inputs, as far as it tells which numbers to try."""

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
    """What a model does with an input, as far as drawing it is concerned.

    Attributes:
        rows: of the smallest table it feeds, of an Embedding or of categories; None if
            it feeds none.
        limit: the same of those tables for which larger ids are an error.
        mask_values: what marks a step as padding, for each layer that looks for it.
        turns: numbers on whose two sides a layer computes differently.
        known: numbers that a layer has in a vocabulary.
        only_known: any other number is an error.
        usual: centre and width of the numbers that a layer is made for.
    """

    rows: int | None = None
    limit: int | None = None
    mask_values: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    only_known: bool = False
    usual: list[tuple[Array, Array]] = field(default_factory=list)


class Below(Mapping[str, Any]):
    """The weights below a path, each read when it is asked for."""

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
    """Who reads each input, directly or through layers that only move numbers.

    Through a vocabulary it is followed too: a number of a later layer is then the one
    in whose place it stands.
    """
    found = {port.name: Usage() for port in graph.inputs}
    known, _ = graph.infer_nodes()
    # The inputs that a value is made of, each with the layers that renumbered it.
    sources: dict[str, dict[str, tuple[Layer, ...]]] = {
        port.name: {port.name: ()} for port in graph.inputs
    }
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        read: dict[str, tuple[Layer, ...]] = {}
        for ref, index in node.inputs:
            rank = len(known[ref][index])
            usual = layer.typical_input(Below(weights, node.layer), rank)
            for name, renumbering in sources.get(ref, {}).items():
                read[name] = renumbering
                if usual is not None and not renumbering:
                    found[name].usual.append(usual if ref == name else _one(usual))
        for name, renumbering in read.items():
            _note(found[name], layer, renumbering)
        takes_ids = any(inner.ids for _, inner in walk(layer))
        if layer.discrete_output:
            sources[node.name] = {
                name: (*renumbering, layer) for name, renumbering in read.items()
            }
        elif layer.keeps_dtype and layer.gives_dtype is None and not takes_ids:
            sources[node.name] = read
    return found


def _one(usual: tuple[Array, Array]) -> tuple[Array, Array]:
    """One centre and one width in place of one for each feature."""
    centre, width = (np.asarray(x, np.float64) for x in usual)
    return centre.mean(), np.sqrt((width**2).mean() + centre.var())


def _note(usage: Usage, layer: Layer, renumbering: tuple[Layer, ...]) -> None:
    """Note what a layer makes of an input.

    Args:
        usage: of the input.
        layer: it reads it.
        renumbering: layers that renumbered it before.
    """
    for _, inner in walk(layer):
        if inner.ids and not renumbering:
            rows = getattr(inner, inner.ids)
            usage.rows = min(rows, usage.rows or rows)
            if not inner.breakpoints():
                usage.limit = min(rows, usage.limit or rows)
    if layer.compares_with:
        _add(usage.mask_values, layer.special_values(), renumbering)
    else:
        usage.only_known |= layer.only_special_values and not renumbering
        _add(usage.known, layer.special_values(), renumbering)
    _add(usage.known if renumbering else usage.turns, layer.breakpoints(), renumbering)


def _add(
    numbers: list[float], more: Sequence[float], renumbering: tuple[Layer, ...]
) -> None:
    """Add numbers that are not there yet, as they are before the way."""
    there = set(numbers)
    for number in more:
        before: float | None = number
        for layer in renumbering[::-1]:
            before = None if before is None else layer.preimage(before)
        if before is None or before in there or math.isnan(before):
            continue
        there.add(before)
        numbers.append(before)
