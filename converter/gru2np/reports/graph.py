"""The diagrams of a model: boxes for layers, edges for tensors.

A nested model is one box, and has its own diagram.  Nodes that compute masks are no
boxes: a dashed edge goes from the tensor that a mask comes from to the layer that uses
it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

from gru2np.reports.markup import short_name
from gru2np.text import plural
from gru2np_runtime.data import shape_text
from gru2np_runtime.graph import Graph
from gru2np_runtime.layers.wrappers import Wrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gru2np_runtime import Layer

    Titles = Mapping[str, tuple[str, str]]
    # Start, end, and whether the tensor is a mask.
    Edge = tuple[str, str, bool]

# A diagram of more than MOST_BOXES boxes is folded: WHOLE_ENDS boxes at each end stay,
# the others are joined into FOLDED boxes.
MOST_BOXES, FOLDED, WHOLE_ENDS = 40, 12, 6
# Prefixes of the keys of inputs and outputs; paths do not hold these letters.
_INPUT, _OUTPUT = "\1", "\2"


@dataclass(frozen=True)
class Box:
    """A box of a diagram.

    Attributes:
        kind: ``input``, ``layer``, ``model`` (a nested one), ``folded`` or ``output``.
        title: its first line.
        lines: the lines below the title.
        nodes: names of the nodes in it.
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """One diagram.

    Attributes:
        path: of the nested model, ending in ``/``; empty for the whole model.
        boxes: by key, in topological order.
        edges: without repetitions.
    """

    path: str
    boxes: Mapping[str, Box]
    edges: tuple[Edge, ...]


def diagrams(graph: Graph, titles: Titles) -> Iterator[Diagram]:
    """The diagram of a graph, then one for every model inside it.

    Args:
        graph: of the whole model.
        titles: Keras name and class by layer path.
    """
    return _Drawn(graph, titles, "").diagrams()


def call_of(node: str) -> str:
    """The layer call of a node; nodes with ``#`` and a word compute its mask."""
    path, _, rest = node.partition("#")
    call = rest.partition("#")[0]
    return f"{path}#{call}" if call.isdigit() else path


def _box_of(node: str, prefix: str) -> str:
    """The key of a node's box in the diagram of the model at ``prefix``."""
    path, _, call = call_of(node).partition("#")
    first = prefix + path[len(prefix) :].partition("/")[0]
    return f"{first}#{call}" if call else first


class _Drawn:
    """A graph, with the nodes to draw.

    Args:
        graph: the whole model, or a model inside a wrapper.
        titles: Keras name and class by layer path.
        path: of the graph in its wrapper, a prefix of the paths in the graph.
    """

    def __init__(self, graph: Graph, titles: Titles, path: str) -> None:
        self.graph, self.titles, self.path = graph, titles, path
        self.shapes, _ = graph.infer_nodes()
        self.nodes = {node.name: node for node in graph.nodes}
        dtypes = graph.infer_dtypes()
        self.masks = {name for name, dtype in dtypes.items() if dtype == "bool"}
        self.hidden = self._only_for_masks()

    def _only_for_masks(self) -> set[str]:
        """The nodes that are not drawn: they only compute masks."""
        readers: dict[str, set[str]] = {name: set() for name in self.nodes}
        for node in self.graph.nodes:
            for name, _ in node.references():
                if name in readers:
                    readers[name].add(node.name)
        results = {port.source[0] for port in self.graph.outputs if port.source}
        hidden: set[str] = set()
        for node in reversed(self.graph.nodes):
            name, layer = node.name, self.graph.layers[node.layer]
            unread = layer.reads_shape_alone and hidden >= readers[name]
            drawn = name in results or call_of(name) != name
            if not drawn and (name in self.masks or unread):
                hidden.add(name)
        return hidden

    def diagrams(
        self, names: Iterable[str] | None = None, prefix: str = ""
    ) -> Iterator[Diagram]:
        """The diagram of some nodes, or of all, and those of the models inside."""
        names = list(self.nodes if names is None else names)
        yield self._diagram(names, prefix)
        nested: dict[str, dict[str, list[str]]] = {}
        for name in names:
            key = _box_of(name, prefix)
            if key != call_of(name):
                calls = nested.setdefault(key.partition("#")[0], {})
                calls.setdefault(key, []).append(name)
        for path, calls in nested.items():
            yield from self.diagrams(next(iter(calls.values())), f"{path}/")
        whole = [name for name in names if _box_of(name, prefix) == call_of(name)]
        for path in dict.fromkeys(self.nodes[name].layer for name in whole):
            yield from self._inside(self.path + path, self.graph.layers[path])

    def _inside(self, path: str, layer: Layer) -> Iterator[Diagram]:
        """The diagrams of models inside a wrapper, each with its own graph."""
        for name, child in layer.layers.items():
            if not isinstance(child, Graph):
                yield from self._inside(f"{path}/{name}", child)
                continue
            try:
                drawn = _Drawn(child, self.titles, f"{path}/{name}/")
            except ValueError:
                # Its shapes cannot be inferred without the wrapper.
                continue
            yield from drawn.diagrams()

    def _diagram(self, names: Sequence[str], prefix: str) -> Diagram:
        # Boxes must not form a cycle: two calls of a nested model may read each other,
        # and another layer may be between a layer and the nodes of its mask.
        for key_of in (partial(_box_of, prefix=prefix), call_of, str):
            boxes, edges = self._boxes(names, key_of, prefix)
            try:
                ordered = {key: boxes[key] for key in _ordered(list(boxes), edges)}
            except CycleError:
                continue
            return fold(Diagram(self.path + prefix, ordered, tuple(edges)))
        raise AssertionError("a graph of nodes has no cycle")

    def _boxes(
        self, names: Sequence[str], key_of: Callable[[str], str], prefix: str
    ) -> tuple[dict[str, Box], list[Edge]]:
        """Boxes and edges; ``key_of`` gives the key of each node's box."""
        keys = {name: key_of(name) for name in names}
        members: dict[str, list[str]] = {}
        for name in names:
            if name not in self.hidden:
                members.setdefault(keys[name], []).append(name)
        edges = list(dict.fromkeys(self._edges(members, keys)))
        starts = dict.fromkeys(start for start, _, _ in edges)
        inputs = [name for name in starts if name.startswith(_INPUT)]
        outputs: list[str | None] = []
        if not prefix:
            inputs = [_INPUT + port.name for port in self.graph.inputs]
            outputs = [port.source and port.source[0] for port in self.graph.outputs]
        boxes = {key: self._input(key.removeprefix(_INPUT)) for key in inputs}
        boxes |= {key: self._box(key, group, prefix) for key, group in members.items()}
        for i, source in enumerate(outputs):
            title = "output" if len(outputs) == 1 else f"output {i + 1}"
            boxes[f"{_OUTPUT}{i}"] = Box("output", title)
            if source is not None:
                start = keys.get(source, _INPUT + source)
                edges.append((start, f"{_OUTPUT}{i}", source in self.masks))
        return boxes, edges

    def _edges(
        self, members: Mapping[str, Sequence[str]], keys: Mapping[str, str]
    ) -> Iterator[Edge]:
        """The edges between boxes.

        Args:
            members: the nodes of each box.
            keys: the box of each node.
        """
        for key, group in members.items():
            for read in (
                ref[0] for name in group for ref in self.nodes[name].references()
            ):
                for source in self._sources(read):
                    start = keys.get(source, _INPUT + source)
                    if start != key:
                        yield start, key, read in self.masks

    def _sources(self, name: str) -> Iterator[str]:
        """The drawn nodes and inputs that a node comes from; itself if it is drawn."""
        pending, seen = [name], {name}
        while pending:
            name = pending.pop()
            if name not in self.hidden:
                yield name
            elif not self.graph.layers[self.nodes[name].layer].reads_shape_alone:
                sources = {other for other, _ in self.nodes[name].references()} - seen
                pending += sorted(sources)
                seen |= sources

    def _input(self, name: str) -> Box:
        for port in self.graph.inputs:
            if port.name == name:
                return Box("input", name, (shape_text(port.shape), port.dtype))
        return Box("input", name, (_shapes_text(self.shapes[name]),))

    def _box(self, key: str, names: Sequence[str], prefix: str) -> Box:
        path, _, call = key.partition("#")
        last = key if key in self.nodes else names[-1]
        lines = [_shapes_text(self.shapes[last])]
        if call.isdigit():
            lines.append(f"call {int(call) + 1}")
        calls = {call_of(name) for name in names}
        kind = "layer" if calls <= {key, path} else "model"
        if kind == "layer":
            first = self._class(self.nodes[last].layer)
        else:
            first = f"model of {plural(len(calls), 'layer')}"
        return Box(kind, path[len(prefix) :], (first, *lines), tuple(names))

    def _class(self, path: str) -> str:
        """The Keras class of a layer; for a wrapper with the class inside."""
        layer, title = self.graph.layers[path], self.path + path.partition("#")[0]
        name = self.titles[title][1] if title in self.titles else type(layer).__name__
        name = name.rpartition(">")[2].rpartition(".")[2]
        if not isinstance(layer, Wrapper):
            return name
        inner = next(iter(layer.layers.values()))
        kind = "model" if isinstance(inner, Graph) else type(inner).__name__
        return f"{name} of {kind}"


def _ordered(keys: Sequence[str], edges: Iterable[Edge]) -> Iterator[str]:
    """The keys in topological order, close to the given order.

    Raises:
        CycleError: the edges form a cycle.
    """
    reads: dict[str, set[str]] = {key: set() for key in keys}
    for start, end, _ in edges:
        reads[end].add(start)
    position = {key: i for i, key in enumerate(keys)}
    sorter = TopologicalSorter(reads)
    sorter.prepare()
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
        yield (key := ready.pop(0))
        sorter.done(key)


def _shapes_text(shapes: Sequence[tuple[int | None, ...]]) -> str:
    more = f" +{len(shapes) - 1}" if len(shapes) > 1 else ""
    return shape_text(shapes[0]) + more


def fold(diagram: Diagram) -> Diagram:
    """A diagram of few boxes: neighbours in topological order share a box.

    Boxes of consecutive nodes cannot form a cycle.
    """
    keys = list(diagram.boxes)
    if len(keys) <= MOST_BOXES:
        return diagram
    last = len(keys) - WHOLE_ENDS
    size = -(-(last - WHOLE_ENDS) // FOLDED)
    starts = [*range(WHOLE_ENDS), *range(WHOLE_ENDS, last, size)]
    starts += range(last, len(keys) + 1)
    boxes, group = {}, {}
    for low, high in pairwise(starts):
        boxes[keys[low]] = _joined([diagram.boxes[key] for key in keys[low:high]])
        group.update(dict.fromkeys(keys[low:high], keys[low]))
    edges = dict.fromkeys(
        (group[start], group[end], mask)
        for start, end, mask in diagram.edges
        if group[start] != group[end]
    )
    return Diagram(diagram.path, boxes, tuple(edges))


def _joined(boxes: Sequence[Box]) -> Box:
    """One box for several: the counts of their classes, and the last shape."""
    if len(boxes) == 1:
        return boxes[0]
    layers = [box for box in boxes if box.nodes] or list(boxes)
    classes = Counter(box.lines[0] for box in layers if box.lines)
    kinds = [f"{kind} × {count}" for kind, count in classes.most_common(3)]
    if len(classes) > 3:
        kinds.append(f"{len(classes) - 3} more classes")
    first, final = short_name(layers[0].title, 14), short_name(layers[-1].title, 14)
    lines = (plural(len(layers), "layer"), *kinds, *layers[-1].lines[1:2])
    nodes = tuple(name for box in boxes for name in box.nodes)
    return Box("folded", f"{first} to {final}", lines, nodes)
