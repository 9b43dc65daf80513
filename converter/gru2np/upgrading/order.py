"""The order in which Keras 3 numbers the layers of a model, which names their weights.

A functional model that was opened has its layers by depth, not in the order of its
file: Keras 3.15 ``keras/src/ops/function.py``, ``map_graph``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.text import listed
from gru2np.upgrading import target
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.graph.assembly import Builder
    from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
    from gru2np.layers.custom import Specs

    # A call of a layer, or a node that makes a mask.
    Node = tuple[str, int]

# How many of its operations Keras may need where the graph has one that makes a mask:
# orders that depend on it are refused.
LENGTHS = (0, 1, 3)
# What Keras calls these operations, with numbers that count on from model to model.
OWN_NAMES = re.compile(
    "(any|concatenate|expand_dims|logical_or|not_equal|ones_like|zeros_like)"
    r"(_\d+)?"
)


class UnclearOrder(Exception):
    """Masks decide the order of layers of one class, in a way that is not known."""


def ordered(model: KerasModel, specs: Specs, clashes: set[str]) -> KerasModel:
    """The model and all inside it, layers in Keras' order, unread ones left out.

    Args:
        model: the model.
        specs: how its classes are converted.
        clashes: gets the names of layers that Keras may give to its own operations on
            masks, which makes the model one that it does not open.

    Raises:
        UnclearOrder: the order is not known.
    """

    def inside(layer: KerasLayer) -> KerasLayer:
        children = tuple((name, inside(child)) for name, child in layer.children)
        inner = layer.model and ordered(layer.model, specs, clashes)
        return replace(layer, model=inner, children=children)

    model = replace(model, layers=tuple(map(inside, model.layers)))
    builder, _ = target.graph_of(model, specs)
    orders = [_Order(model, builder, length) for length in LENGTHS]
    names = [order.names() for order in orders]
    if orders[-1].makes_masks():
        names_of_layers = {x.name for x in model.layers if not _is_operation(x)}
        clashes |= set(filter(OWN_NAMES.fullmatch, names_of_layers))
    if model.sequential:
        return model
    by_class = [_by_class(model, one) for one in names]
    for class_name, first in by_class[0].items():
        if any(other[class_name] != first for other in by_class[1:]):
            raise UnclearOrder(
                "Keras 3 stores the weights of the layers "
                f"{listed(list(map(repr, first)), 5)} in an order that depends on "
                "their masks, and this order was not measured"
            )
    known = {layer.name: layer for layer in model.layers}
    return replace(model, layers=tuple(known[name] for name in names[1]))


def _by_class(model: KerasModel, names: Sequence[str]) -> dict[str, list[str]]:
    classes = {layer.name: layer for layer in model.layers}
    grouped = defaultdict(list)
    for name in names:
        layer = classes[name]
        # The weights of operations and inputs need no names.
        if layer.class_name != "InputLayer" and not _is_operation(layer):
            grouped[layer.class_name].append(name)
    return grouped


def _is_operation(layer: KerasLayer) -> bool:
    return layer.class_name.startswith("ops.")


class _Order:
    """Keras' order of the layers of a functional model.

    Args:
        model: the model.
        builder: of its graph.
        length: how many operations of Keras a node that makes a mask stands for; 0 to
            ignore masks.
    """

    def __init__(self, model: KerasModel, builder: Builder, length: int) -> None:
        self.model = model
        self.layers = {layer.name: layer for layer in model.layers}
        self.builder = builder
        self.length = length
        self.helpers = {node.name: node for node in builder.nodes}
        self.indices: dict[str, int] = {}
        self.finished: dict[Node, None] = {}

    def names(self) -> list[str]:
        """The names of the layers, unread ones left out, except inputs."""
        for ref in self.model.outputs:
            self._visit((ref.layer, ref.call))
        depths: dict[Node, int] = {}
        layers: dict[str, int] = {}
        for node in reversed(self.finished):
            name, _ = node
            depth = max(depths.get(node, 0), layers.get(name, 0))
            depths[node] = layers[name] = depth
            weight = 1 if name in self.layers else self.length
            for parent in self._parents(node):
                depths[parent] = max(depths.get(parent, 0), depth + weight)
        for ref in self.model.inputs:
            if ref.layer not in layers:
                layers[ref.layer], self.indices[ref.layer] = 0, -1
        found = [name for name in layers if name in self.layers]
        return sorted(found, key=lambda name: (-layers[name], self.indices[name]))

    def makes_masks(self) -> bool:
        """Whether Keras adds operations that make masks, once ``names`` was called."""
        return any(name not in self.layers for name in self.indices)

    def _visit(self, start: Node) -> None:
        """Visit a node and those before it, each once, in Keras' order."""
        waiting: list[tuple[Node, Iterator[Node]]] = []

        def enter(node: Node) -> None:
            if node not in self.finished:
                self.indices.setdefault(node[0], len(self.indices))
                waiting.append((node, iter(self._parents(node))))

        enter(start)
        while waiting:
            node, parents = waiting[-1]
            parent = next(parents, None)
            if parent is None:
                waiting.pop()
                self.finished.setdefault(node)
            else:
                enter(parent)

    def _parents(self, node: Node) -> list[Node]:
        """The nodes that a node reads: arguments by position, then others by name."""
        name, index = node
        layer = self.layers.get(name)
        if layer is None:
            return [
                self._maker(source) for source, _ in self.helpers[name].references()
            ]
        if not layer.calls:
            return []
        call = layer.calls[index]
        read = [*call.inputs]
        named = sorted(
            (key, ref) for key, ref in call.arguments.items() if isinstance(key, str)
        )
        read += [ref for _, ref in named]
        parents = [(ref.layer, ref.call) for ref in read]
        return [*parents, *self._masks(layer, call)]

    def _masks(self, layer: KerasLayer, call: Call) -> list[Node]:
        masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
        explicit = [(ref.layer, ref.call) for ref in masks if ref is not None]
        named = any(str(key).endswith("mask") for key in call.arguments)
        if explicit or named or not self.length or not _takes_mask(layer):
            return explicit
        refs = [self._ref(ref) for ref in call.inputs]
        carried = [self.builder.carried.get(ref) for ref in refs]
        return [self._maker(mask[0]) for mask in carried if mask and mask[0]]

    def _ref(self, ref: TensorRef) -> tuple[str, int]:
        """The tensor of the graph that a tensor of the model is."""
        path = encode_name(ref.layer)
        return (f"{path}#{ref.call}" if ref.call else path), ref.output

    def _maker(self, name: str) -> Node:
        """The call that a node of the graph is, or the node itself."""
        path, _, label = name.partition("#")
        for layer in self.layers.values():
            if encode_name(layer.name) == path and (label.isdigit() or not label):
                return layer.name, int(label or 0)
        return name, 0


def _takes_mask(layer: KerasLayer) -> bool:
    """Whether a call of the layer has an argument for a mask."""
    if layer.model is not None:
        return True
    facts = target.written()["layers"].get(layer.class_name, {})
    names = [name for name, *_ in facts.get("call", ())]
    return any(name.endswith("mask") for name in names)
