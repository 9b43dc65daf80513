"""What a drawing of a model shows: boxes for its layers, edges for its tensors.

A nested model is one box, with a drawing of its own below.  What only a mask needs is
no box: a dashed edge runs from where the mask is made to where it is used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.reports.boxes import Box, Diagram, fold, ordered
from gru2np.text import plural
from gru2np_runtime.data import shape_text
from gru2np_runtime.graph import Graph
from gru2np_runtime.layers.wrappers import Wrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node

    Ref = tuple[str, int]
    Titles = Mapping[str, tuple[str, str]]
    Shapes = Mapping[str, tuple[tuple[int | None, ...], ...]]

# More drawings than this are a list, which the table of layers is.
MOST_DRAWINGS = 12


def diagram(graph: Graph, titles: Titles) -> Diagram:
    """The drawing of a graph.

    Args:
        graph: of the whole model.
        titles: Keras name and class by layer path.
    """
    shapes, _ = graph.infer_nodes()
    return _Drafter(graph, titles, shapes).whole("")


def owner_of(node: str) -> str:
    """The layer call that a node belongs to: nodes behind ``#`` serve its mask."""
    path, _, rest = node.partition("#")
    call = rest.partition("#")[0]
    return f"{path}#{call}" if call.isdigit() else path


class _Drafter:
    """Drawings of one graph and of the models inside."""

    def __init__(self, graph: Graph, titles: Titles, shapes: Shapes) -> None:
        self.graph = graph
        self.titles = titles
        self.shapes = shapes
        self.nodes = {node.name: node for node in graph.nodes}
        self.ports = {port.name: port for port in graph.inputs}
        self.masks = self._masks()
        results = {port.source for port in graph.outputs if port.source is not None}
        self.results = {name for name, _ in results}
        self.hidden = self._hidden()

    def _masks(self) -> set[str]:
        """Inputs and nodes that give booleans."""
        dtypes = {port.name: port.dtype for port in self.graph.inputs}
        for node in self.graph.nodes:
            layer = self.graph.layers[node.layer]
            given = [dtypes[name] for name, _ in node.inputs]
            try:
                dtypes[node.name] = layer.output_dtype(*given)
            except ValueError:
                dtypes[node.name] = layer.dtype
        return {name for name, dtype in dtypes.items() if dtype == "bool"}

    def _hidden(self) -> set[str]:
        """Nodes that only masks need, so that edges run through them."""
        readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.graph.nodes:
            for name, _ in node.references():
                if name in readers:
                    readers[name].append(node.name)
        found: set[str] = set()
        for node in reversed(self.graph.nodes):
            name, layer = node.name, self.graph.layers[node.layer]
            # The helpers of a layer are in its box, whoever reads them.
            if name in self.results or owner_of(name) != name:
                continue
            alone = layer.reads_shape_alone and found.issuperset(readers[name])
            if name in self.masks or alone:
                found.add(name)
        return found

    def whole(self, prefix: str) -> Diagram:
        """The drawing of everything, titles below a prefix."""
        names = list(self.nodes)
        drawn = self._draft(names, lambda name: _group(name, ""), "")
        return replace(drawn, path=prefix)

    def _draft(
        self, names: Sequence[str], group: Callable[[str], str], prefix: str
    ) -> Diagram:
        """The drawing of some nodes; ``group`` gives the box that a node is in."""
        inside = set(names)
        members: dict[str, list[str]] = {}
        for name in names:
            if name not in self.hidden:
                members.setdefault(group(name), []).append(name)
        boxes: dict[str, Box] = {}
        edges: dict[tuple[str, str, bool], None] = {}
        for key, own in members.items():
            for name in own:
                for ref, mask in self._reads(self.nodes[name]):
                    starts = list(dict.fromkeys(self._sources(ref)))
                    dashed = mask or ref[0] in self.masks
                    ends = [
                        group(start) if start in inside else f"\1{start}"
                        for start in starts
                    ]
                    ends = [end for end in dict.fromkeys(ends) if end != key]
                    if dashed and len(ends) > 1:
                        op = self._op(ref[0])
                        pill = "\2".join(["", op, *sorted(ends)])
                        boxes[pill] = Box(pill, "mask", "mask")
                        edges.update({(end, pill, True): None for end in ends})
                        ends = [pill]
                    edges.update({(end, key, dashed): None for end in ends})
        for start, _, _ in list(edges):
            if start.startswith("\1"):
                boxes[start] = self._input(start[1:])
        if not prefix:
            for name in self.ports:
                boxes.setdefault(f"\1{name}", self._input(name))
        for key, own in members.items():
            boxes[key] = self._box(key, own, prefix)
        self._add_outputs(boxes, edges, inside, group, prefix)
        order = ordered(boxes, edges)
        if order is None:
            # Calls of a nested model that read each other cannot be one box each, and
            # a layer and what serves its mask only as long as nothing is between.
            finer = str if group is owner_of else owner_of
            return self._draft(names, finer, prefix)
        boxes = {key: boxes[key] for key in order}
        drawn = Diagram(prefix, boxes, tuple(edges))
        folded = fold(drawn)
        return replace(folded, inside=tuple(self._inside(members, prefix)))

    def _op(self, name: str) -> str:
        node = self.nodes.get(name)
        return "" if node is None else self.graph.layers[node.layer].op

    def _reads(self, node: Node) -> Iterator[tuple[Ref, bool]]:
        for ref in node.inputs:
            yield ref, False
        if node.mask is not None:
            yield node.mask, True

    def _sources(self, ref: Ref) -> Iterator[str]:
        """The nodes and inputs behind a tensor, hidden ones walked through."""
        pending, seen = [ref[0]], set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            node = self.nodes.get(name)
            if node is None or name not in self.hidden:
                yield name
            elif not self.graph.layers[node.layer].reads_shape_alone:
                pending.extend(other for other, _ in node.references())

    def _input(self, name: str) -> Box:
        port = self.ports.get(name)
        if port is None:
            shapes = self.shapes[name]
            return Box(f"\1{name}", "input", name, (shape_text(shapes[0]),))
        lines = (shape_text(port.shape), port.dtype)
        return Box(f"\1{name}", "input", name, lines)

    def _box(self, key: str, members: Sequence[str], prefix: str) -> Box:
        path, _, call = key.partition("#")
        title = path[len(prefix) :]
        last = key if key in self.nodes else members[-1]
        lines = [_shapes_text(self.shapes[last])]
        if call.isdigit():
            lines.append(f"call {int(call) + 1}")
        owners = dict.fromkeys(owner_of(name) for name in members)
        if list(owners) == [key]:
            node = self.nodes.get(key, self.nodes[last])
            return Box(
                key, "layer", title, (self._class(node.layer), *lines), tuple(members)
            )
        lines.insert(0, f"model of {plural(len(owners), 'layer')}")
        return Box(key, "model", title, tuple(lines), tuple(members))

    def _class(self, path: str) -> str:
        base = path.partition("#")[0]
        layer = self.graph.layers[path]
        if base in self.titles:
            shown = self.titles[base][1].rpartition(">")[2]
            shown = shown.rpartition(".")[2] if "." in shown else shown
        else:
            shown = type(layer).__name__
        if isinstance(layer, Wrapper):
            inner = next(iter(layer.layers.values()))
            kind = "model" if isinstance(inner, Graph) else type(inner).__name__
            shown = f"{shown} of {kind}"
        return shown

    def _add_outputs(
        self,
        boxes: dict[str, Box],
        edges: dict[tuple[str, str, bool], None],
        inside: set[str],
        group: Callable[[str], str],
        prefix: str,
    ) -> None:
        ports = [] if prefix else self.graph.outputs
        for i, port in enumerate(ports):
            if port.source is None:
                continue
            name = port.source[0]
            start = group(name) if name in inside else f"\1{name}"
            key = f"\3{i}"
            title = "output" if len(ports) == 1 else f"output {i + 1}"
            boxes[key] = Box(key, "output", title)
            edges[start, key, name in self.masks] = None

    def _inside(
        self, members: Mapping[str, Sequence[str]], prefix: str
    ) -> Iterator[Diagram]:
        drawn = set()
        for key, names in members.items():
            path = key.partition("#")[0]
            if any(owner_of(name) != key for name in names) and path not in drawn:
                drawn.add(path)
                below = f"{path}/"

                def group(name: str, below: str = below) -> str:
                    return _group(name, below)

                everything = [
                    name
                    for name in self.nodes
                    if name.startswith(below) and _group(name, prefix) == key
                ]
                if everything:
                    yield self._draft(everything, group, below)
                continue
            for name in dict.fromkeys(self.nodes[name].layer for name in names):
                yield from self._children(name, self.graph.layers[name])

    def _children(self, path: str, layer: Layer) -> Iterator[Diagram]:
        """Models inside wrappers, which are graphs of their own."""
        for name, child in layer.layers.items():
            at = f"{path}/{name}"
            if isinstance(child, Graph):
                try:
                    shapes, _ = child.infer_nodes()
                except ValueError:
                    continue
                yield _Drafter(child, self.titles, shapes).whole(f"{at}/")
            else:
                yield from self._children(at, child)


def _group(name: str, prefix: str) -> str:
    """The box of a node in the drawing of the model at a prefix."""
    owner = owner_of(name)
    path, _, call = owner.partition("#")
    first, slash, _ = path[len(prefix) :].partition("/")
    if not slash:
        return owner
    return f"{prefix}{first}#{call}" if call else f"{prefix}{first}"


def _shapes_text(shapes: Sequence[tuple[int | None, ...]]) -> str:
    more = f" +{len(shapes) - 1}" if len(shapes) > 1 else ""
    return shape_text(shapes[0]) + more
