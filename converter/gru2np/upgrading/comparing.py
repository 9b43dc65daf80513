"""What a model means in Keras 3 and what it meant, compared node by node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gru2np_runtime.bundle.manifest_writer import json_value
from gru2np_runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node, Ref

    Key = Any


NONE: Mapping[Any, Any] = {}


@dataclass(frozen=True)
class AttributeDiffers:
    """A layer that has another attribute.

    Attributes:
        path: of the old layer, or of the layer inside it.
        new: its path in the new model.
        attribute: that differs; ``op`` if the layer is another one.
        before: its value in the old model.
        after: its value in the new model.
    """

    path: str
    new: str
    attribute: str
    before: Any
    after: Any


@dataclass(frozen=True)
class TensorDiffers:
    """A call that reads another tensor, or uses another mask.

    Attributes:
        path: of the old layer.
        new: its path in the new model.
        call: what its node's name adds to the path.
        mask: whether it is the mask.
        before: the tensor in the old graph.
        after: the tensor in the new graph.
    """

    path: str
    new: str
    call: str
    mask: bool
    before: Ref | None
    after: Ref | None


class Comparison:
    """The old graph of a model, and that of its draft.

    Args:
        before: the old graph.
        after: the new one.
        paths: of the old model's layers.
        origins: these paths, by those of the new model.
        plain: layers of the new model that return what they read.
        outputs: outputs of old layers, as (path, number), by the new layer and number
            that give them now.
    """

    def __init__(
        self,
        before: Graph,
        after: Graph,
        paths: Iterable[str],
        origins: Mapping[str, str],
        plain: Container[str] = (),
        outputs: Mapping[tuple[str, int], tuple[str, int]] = NONE,
    ) -> None:
        self.before = before
        self.after = after
        self.origins = origins
        self.plain = plain
        self.outputs = outputs
        self.numbers: dict[Key, int] = {}
        self.old = self._numbered(before, {path: path for path in paths}, ())
        self.new = self._numbered(after, origins, plain)

    def _numbered(
        self, graph: Graph, known: Mapping[str, str], plain: Container[str]
    ) -> dict[str, int]:
        """A number for each node; nodes of equal meaning have the same."""
        numbers = {
            port.name: self._number(("input", i)) for i, port in enumerate(graph.inputs)
        }
        through: dict[str, Ref] = {}
        for node in graph.nodes:
            if node.layer in plain:
                source = node.inputs[0]
                through[node.name] = through.get(source[0], source)
                continue
            if node.layer in known:
                key: Key = ("layer", known[node.layer], _call(node))
            else:
                read = (through.get(ref[0], ref) for ref in node.inputs)
                refs = [(numbers[name], output) for name, output in read]
                key = (*_operation(graph.layers[node.layer]), *refs)
            numbers[node.name] = self._number(key)
        return numbers

    def _number(self, key: Key) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def differences(self) -> Iterator[AttributeDiffers | TensorDiffers]:
        """Everything that differs, attributes first."""
        counterparts = {
            (self.origins[node.layer], _call(node)): node
            for node in self.after.nodes
            if node.layer in self.origins
        }
        names = {old: new for new, old in self.origins.items()}
        seen = set()
        pairs = [
            (node, counterparts.get((node.layer, _call(node))))
            for node in self.before.nodes
            if "#" not in node.layer
        ]
        for node, other in pairs:
            if other is None or node.layer in seen:
                continue
            seen.add(node.layer)
            yield from _attributes(
                node.layer,
                other.layer,
                self.before.layers[node.layer],
                self.after.layers[other.layer],
            )
        for node, other in pairs:
            new = names.get(node.layer)
            if other is not None:
                yield from self._tensors(node, other)
            elif new is not None and new + _call(node) in self._nodes:
                # Other nodes around it give what it gave.
                yield TensorDiffers(
                    node.layer, new, _call(node), False, node.inputs[0], None
                )
        for port, other_port in zip(
            self.before.outputs, self.after.outputs, strict=True
        ):
            assert port.source is not None
            assert other_port.source is not None
            same = self._old(port.source) == self._new(other_port.source)
            if not same or port.dtype != other_port.dtype:
                yield TensorDiffers(
                    port.name, "", "", False, port.source, other_port.source
                )

    def _tensors(self, node: Node, other: Node) -> Iterator[TensorDiffers]:
        call = _call(node)
        before = _joined(node, self._old_nodes)
        after = _joined(other, self._nodes)
        if list(map(self._old, before)) != list(map(self._new, after)):
            yield TensorDiffers(
                node.layer, other.layer, call, False, before[0], after[0]
            )
        masks = node.mask and self._old(node.mask), other.mask and self._new(other.mask)
        if masks[0] != masks[1]:
            yield TensorDiffers(
                node.layer, other.layer, call, True, node.mask, other.mask
            )

    def _old(self, ref: Ref) -> tuple[int, int]:
        return self.old[ref[0]], ref[1]

    def _new(self, ref: Ref) -> tuple[int, int]:
        name, output = ref
        node = self._nodes.get(name)
        if node is not None and node.layer in self.plain:
            return self._new(node.inputs[0])
        moved = node and self.outputs.get((node.layer, output))
        if node is None or not moved:
            return self.new[name], output
        return self._number(("layer", moved[0], _call(node))), moved[1]

    @cached_property
    def _old_nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self.before.nodes}

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self.after.nodes}


def _joined(node: Node, nodes: Mapping[str, Node]) -> tuple[Ref, ...]:
    """The inputs of a node; of a merge of two after two, those of all."""
    first = nodes.get(node.inputs[0][0])
    if first is None or first.layer != node.layer or "#pair_" not in first.name:
        return node.inputs
    return (*_joined(first, nodes), *node.inputs[1:])


def _attributes(
    path: str, new: str, before: Layer, after: Layer
) -> Iterator[AttributeDiffers]:
    if before.op != after.op:
        yield AttributeDiffers(path, new, "op", before.op, after.op)
        return
    if isinstance(before, Graph) and isinstance(after, Graph):
        own = {name: name for name in before.layers if "#" not in name}
        inner = Comparison(before, after, own, own)
        for one in inner.differences():
            if isinstance(one, AttributeDiffers):
                at, there = f"{path}/{one.path}", f"{new}/{one.new}"
                yield AttributeDiffers(at, there, one.attribute, one.before, one.after)
            else:
                yield AttributeDiffers(path, new, "graph", one.before, one.after)
        return
    mine, theirs = before.attributes(), after.attributes()
    for key in {**mine, **theirs}:
        if json_value(mine.get(key)) != json_value(theirs.get(key)):
            yield AttributeDiffers(path, new, key, mine.get(key), theirs.get(key))
    for name in {**before.layers, **after.layers}:
        if name in before.layers and name in after.layers:
            at, there = f"{path}/{name}", f"{new}/{name}"
            inside = before.layers[name], after.layers[name]
            yield from _attributes(at, there, *inside)
        else:
            yield AttributeDiffers(path, new, "layers", name, None)


def _operation(layer: Layer) -> tuple[str, str]:
    """What a layer without weights computes, the same for all ways to write it."""
    attributes = layer.attributes()
    if layer.op == "binary" and not attributes.get("constant_kind"):
        return str(attributes["function"]), ""
    if layer.op in ("logical_and", "logical_or"):
        return layer.op, ""
    return layer.op, json.dumps(json_value(attributes), sort_keys=True)


def _call(node: Node) -> str:
    """What follows the layer's path in the name of a node: empty for its first call."""
    return node.name[len(node.layer) :]
