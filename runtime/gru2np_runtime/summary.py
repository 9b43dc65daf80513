"""The layers of a model, and how ``repr``, ``summary`` and ``plan`` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import InputError, plain
from gru2np_runtime.text import html_table, shown_paths, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Array, Layer, Shape
    from gru2np_runtime.plan import Plan
    from gru2np_runtime.run.stream import Stream

# Attributes of wrapper plans that hold the plans of the layers inside.
PARTS = ("forward", "backward", "inner")


class ModelLayer:
    """A layer of a model, for inspection.

    Attributes:
        name: in Keras; with ``/`` behind those of the models that it is nested in.
        class_name: its Keras class.
        layer: the runtime layer with its attributes.
        weights: its arrays by name, read-only.
        output_shapes: of its first call.
    """

    __slots__ = ("class_name", "layer", "name", "output_shapes", "weights")

    def __init__(
        self,
        name: str,
        class_name: str,
        layer: Layer,
        weights: Mapping[str, Array],
        output_shapes: Sequence[Shape],
    ) -> None:
        self.name = name
        self.class_name = class_name
        self.layer = layer
        self.weights = dict(weights)
        self.output_shapes = list(output_shapes)

    def __repr__(self) -> str:
        return f"<{self.class_name} {self.name!r}, {self.count_params():,} parameters>"

    def count_params(self) -> int:
        """The number of parameters of the layer."""
        return sum(int(array.size) for array in self.weights.values())


def model_layers(
    graph: Graph, weights: Mapping[str, Array], titles: Mapping[str, tuple[str, str]]
) -> list[ModelLayer]:
    """The layers of a graph in the order of their model, without those of masks.

    Args:
        graph: the graph.
        weights: its arrays by path.
        titles: name and Keras class by path of the layer.
    """
    known, expected = graph.infer_nodes()
    names = shown_paths(node.layer for node in graph.nodes if "#" not in node.layer)
    layers: dict[str, ModelLayer] = {}
    for node in graph.nodes:
        if node.layer in names and node.layer not in layers:
            _, class_name = titles.get(node.layer, ("", ""))
            layer = graph.layers[node.layer]
            layers[node.layer] = ModelLayer(
                names[node.layer],
                plain(class_name or layer.op),
                layer,
                {k: weights[f"{node.layer}/{k}"] for k in expected[node.layer]},
                known[node.name],
            )
    return list(layers.values())


def layer_named(layers: Sequence[ModelLayer], name: str) -> ModelLayer:
    """The layer of that name, which may leave out the models that it is nested in.

    Raises:
        InputError: there is no such layer, or several; the message lists the names.
    """
    found = [layer for layer in layers if layer.name == name]
    found = found or [x for x in layers if x.name.rpartition("/")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{len(found)} layers are called {name!r}: give the whole name, one of "
            f"{', '.join(repr(layer.name) for layer in found)}"
        )
    # Imported only for an error: the start must be fast.
    from gru2np_runtime.hints import nearest

    names = [layer.name for layer in layers]
    raise InputError(
        f"no layer {name!r}{nearest(name, names)}; the model has "
        f"{', '.join(map(repr, names))}, as model.layers lists them"
    )


HEADER = ("layer", "class", "output shape", "parameters")
RIGHT = {3}


def describe(
    name: str,
    source: Mapping[str, object],
    inputs: Iterable[tuple[str, Shape]],
    outputs: Iterable[tuple[str, Shape]],
    params: int,
    stored: str | None,
) -> str:
    """A line with a model's Keras, its inputs and outputs, and its size.

    Args:
        name: of the model.
        source: the record of the file that it was exported from.
        inputs: name and shape of each.
        outputs: the same.
        params: number of parameters.
        stored: the smaller dtype that kernels are stored in; None for none.
    """
    version = source.get("keras_version")
    keras = f" of Keras {plain(version)}" if isinstance(version, str) else ""
    line = f"{plain(name)}{keras}: {_tensors(inputs)} -> {_tensors(outputs)}"
    line += f", {params:,} parameters"
    return line if stored is None else f"{line}, kernels stored as {stored}"


def _tensors(tensors: Iterable[tuple[str, Shape]]) -> str:
    return ", ".join(f"{plain(name)} {shape_text(shape)}" for name, shape in tensors)


def summary(title: str, layers: Sequence[ModelLayer]) -> str:
    """A title, and a table with a row for each layer."""
    return "\n".join([title, *table(HEADER, _rows(layers), RIGHT)])


def html(title: str, layers: Sequence[ModelLayer]) -> str:
    """The summary as HTML, for notebooks."""
    return html_table(title, HEADER, _rows(layers), RIGHT)


def _rows(layers: Sequence[ModelLayer]) -> list[tuple[str, ...]]:
    return [
        (
            layer.name,
            layer.class_name,
            ", ".join(map(shape_text, layer.output_shapes)),
            f"{layer.count_params():,}",
        )
        for layer in layers
    ]


def plan_table(plans: Mapping[str, Plan], streaming: Callable[[], Stream]) -> str:
    """A table with a row for each layer and each layer inside another.

    Args:
        plans: of the layers, by path.
        streaming: makes the ``Stream`` of the model, for the last line.
    """
    rows: list[tuple[str, ...]] = []

    def add(name: str, plan: Plan) -> None:
        inner = {part: getattr(plan, part, None) for part in PARTS}
        inner.update(getattr(plan, "plans", {}))
        parts = {part: plan for part, plan in inner.items() if plan is not None}
        rows.append((name, plan.layer.op, "see below" if parts else plan.description()))
        for part, inner_plan in parts.items():
            add(f"{name}/{part}", inner_plan)

    for name, plan in plans.items():
        add(name, plan)
    try:
        chain = streaming().chain is not None
    except InputError as error:
        steps = str(error)
    else:
        steps = "all layers in one chain" if chain else "layer by layer"
    last = plain(f"step: {steps}")
    return "\n".join([*table(("layer", "op", "runs"), rows), last])
