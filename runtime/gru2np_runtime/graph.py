"""The graph: layers and their calls, in topological order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layer import Layer, across, sized, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime.layer import Shape, Sizes

    Ref = tuple[str, int]


class Port:
    """An input or an output of a graph.

    Attributes:
        name: of an input, the name that nodes refer to; of an output, its label.
        shape: None where any size fits; axis 0 is the batch.
        dtype: NumPy's name of the dtype.
        source: of an output, the node's name and the output's number; else None.
    """

    __slots__ = ("dtype", "name", "shape", "source")

    def __init__(
        self, name: str, shape: Shape, dtype: str, source: Ref | None = None
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.source = source


class Node:
    """One call of a layer.

    Attributes:
        name: the layer's path, with ``#1``, ``#2`` at its second and third call.
        layer: the layer's path.
        inputs: (name of the node or input, output number) of each input.
        mask: the same for the boolean mask; None if the layer uses none.
    """

    __slots__ = ("inputs", "layer", "mask", "name")

    def __init__(
        self, name: str, layer: str, inputs: Sequence[Ref], mask: Ref | None = None
    ) -> None:
        self.name = name
        self.layer = layer
        self.inputs = tuple(inputs)
        self.mask = mask

    @property
    def is_call(self) -> bool:
        """Whether a layer of the model gives its output, not a mask or a part of one.

        The name of such a node is a path alone, or with the number of the call.
        """
        _, _, number = self.name.partition("#")
        return not number or number.isdigit()

    def references(self) -> tuple[Ref, ...]:
        """The inputs, then the mask if there is one."""
        return self.inputs if self.mask is None else (*self.inputs, self.mask)


class Graph(Layer):
    """A model as a layer; its weights are named ``path of the layer/weight``.

    Raises:
        ValueError: a node or output refers to a name that does not come before it, or
            two nodes or inputs have the same name.
    """

    op = "graph"
    keeps_dtype = True
    casts_floats = False
    # Each layer inside states those of its weights.
    storage_axes = stored()
    takes_several = True
    over_time = across

    def __init__(
        self,
        inputs: Sequence[Port],
        nodes: Sequence[Node],
        outputs: Sequence[Port],
        layers: Mapping[str, Layer],
    ) -> None:
        super().__init__(layers=layers)
        object.__setattr__(self, "inputs", tuple(inputs))
        object.__setattr__(self, "nodes", tuple(nodes))
        object.__setattr__(self, "outputs", tuple(outputs))
        known = {port.name for port in inputs}
        if len(known) != len(inputs):
            raise ValueError("two inputs have the same name")
        for node in nodes:
            if node.name in known:
                raise ValueError(f"node {node.name!r}: the name is used twice")
            if node.layer not in self.layers:
                raise ValueError(f"node {node.name!r}: no layer {node.layer!r}")
            for name, _ in node.references():
                if name not in known:
                    raise ValueError(f"node {node.name!r}: {name!r} is not before it")
            known.add(node.name)
        called = (node.layer for node in nodes)
        self.order_layers(dict.fromkeys((*called, *self.layers)))
        for port in outputs:
            if port.source is None or port.source[0] not in known:
                raise ValueError(f"output {port.name!r}: no node {port.source!r}")

    if TYPE_CHECKING:
        inputs: tuple[Port, ...]
        nodes: tuple[Node, ...]
        outputs: tuple[Port, ...]

    def __reduce__(self) -> tuple[object, ...]:
        ports = [(p.name, p.shape, p.dtype, p.source) for p in self.inputs]
        results = [(p.name, p.shape, p.dtype, p.source) for p in self.outputs]
        nodes = [(n.name, n.layer, n.inputs, n.mask) for n in self.nodes]
        return _rebuild, (ports, nodes, results, self.layers)

    def infer_nodes(
        self, shapes: Sequence[Shape] | None = None
    ) -> tuple[dict[str, tuple[Shape, ...]], dict[str, dict[str, Shape]]]:
        """Shapes of every node's outputs, and of every layer's weights.

        Args:
            shapes: of the inputs; None: the declared ones.

        Raises:
            ValueError: an input does not fit a layer; the message names the node.
        """
        if shapes is None:
            shapes = [port.shape for port in self.inputs]
        for port, shape in zip(self.inputs, shapes):
            sizes = zip(port.shape, shape)
            differs = any(None not in pair and pair[0] != pair[1] for pair in sizes)
            if len(shape) != len(port.shape) or differs:
                raise ValueError(
                    f"input {port.name!r}: expected shape {list(port.shape)}, "
                    f"got {list(shape)}"
                )
        known: dict[str, tuple[Shape, ...]] = {
            port.name: (shape,) for port, shape in zip(self.inputs, shapes)
        }
        weights: dict[str, dict[str, Shape]] = {}
        for node in self.nodes:
            layer = self.layers[node.layer]
            try:
                for name, index in node.references():
                    if index >= len(known[name]):
                        raise ValueError(f"{name!r} has no output {index}")
                inputs = [known[name][index] for name, index in node.inputs]
                expected, known[node.name] = layer.infer(*inputs)
            except CustomObjectError:
                raise
            except (IndexError, TypeError, ValueError) as error:
                raise ValueError(f"node {node.name!r} ({layer.op}): {error}") from error
            if weights.setdefault(node.layer, expected) != expected:
                raise ValueError(
                    f"node {node.name!r} ({layer.op}): expected weights of shapes "
                    f"{weights[node.layer]} as at the layer's first call, "
                    f"got {expected}"
                )
        return known, weights

    def infer_dtypes(self) -> dict[str, str]:
        """The declared dtype of every input, and the dtype of every node's outputs.

        Raises:
            ValueError: a layer does not support its inputs' dtypes, or a mask is not
                boolean; the message names the node.
        """
        known = {port.name: port.dtype for port in self.inputs}
        for node in self.nodes:
            layer = self.layers[node.layer]
            try:
                dtypes = [known[name] for name, _ in node.inputs]
                known[node.name] = layer.output_dtype(*dtypes)
            except (IndexError, TypeError, ValueError) as error:
                raise ValueError(f"node {node.name!r} ({layer.op}): {error}") from error
            if node.mask is not None and known[node.mask[0]] != "bool":
                raise ValueError(
                    f"node {node.name!r} ({layer.op}): expected a mask of bool, got "
                    f"{known[node.mask[0]]} of {node.mask[0]!r}"
                )
        return known

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Shapes of all layers' weights, by ``path of the layer/weight``."""
        _, weights = self.infer_nodes(shapes)
        return {
            f"{path}/{name}": shape
            for path, expected in weights.items()
            for name, shape in expected.items()
        }

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Shapes of the outputs, in order, for inputs of these shapes."""
        known, _ = self.infer_nodes(shapes)
        return tuple(
            known[port.source[0]][port.source[1]]
            for port in self.outputs
            if port.source is not None
        )

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """Whether all layers inside compute rows independently."""
        return all(layer.independent_rows for layer in self.layers.values())

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The sum over all nodes."""
        known, _ = self.infer_nodes(inputs)
        return sum(
            self.layers[node.layer].multiply_adds(
                [sized(known[name][i]) for name, i in node.inputs],
                [sized(shape) for shape in known[node.name]],
            )
            for node in self.nodes
        )


def walk(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """A layer and all layers inside it, at any depth, each with its path.

    Args:
        layer: a graph or any other layer.
        path: the layer's path; empty for a whole model.
    """
    yield path, layer
    for name, inner in layer.layers.items():
        yield from walk(inner, f"{path}/{name}" if path else name)


def _rebuild(
    inputs: list[tuple[str, Shape, str, Ref | None]],
    nodes: list[tuple[str, str, tuple[Ref, ...], Ref | None]],
    outputs: list[tuple[str, Shape, str, Ref | None]],
    layers: dict[str, Layer],
) -> Graph:
    return Graph(
        [Port(*port) for port in inputs],
        [Node(*node) for node in nodes],
        [Port(*port) for port in outputs],
        layers,
    )
