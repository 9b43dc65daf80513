"""The layers of a model, and the tables of ``summary`` and ``plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import InputError, plain
from gru2np_runtime.text import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Array, Layer, Shape
    from gru2np_runtime.plan import Plan
    from gru2np_runtime.run.stream import Stream

# Attributes of wrapper plans that hold the plans of the layers inside.
PARTS = ("forward", "backward", "inner")


class ModelLayer:
    """A layer of a model, for inspection.

    Attributes:
        name: its path; ``/`` separates a nested model from its layers.
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
        return f"<{self.class_name} {self.name!r}, {self.count_params()} parameters>"

    def count_params(self) -> int:
        """The number of parameters of the layer."""
        return sum(int(array.size) for array in self.weights.values())


def model_layers(
    graph: Graph, weights: Mapping[str, Array], titles: Mapping[str, tuple[str, str]]
) -> list[ModelLayer]:
    """The layers of a graph in the order of their first call.

    Args:
        graph: the graph.
        weights: its arrays by path.
        titles: name and Keras class by path of the layer.
    """
    known, expected = graph.infer_nodes()
    layers: dict[str, ModelLayer] = {}
    for node in graph.nodes:
        if node.layer not in layers:
            name, class_name = titles.get(node.layer, (node.layer, ""))
            layer = graph.layers[node.layer]
            layers[node.layer] = ModelLayer(
                name,
                class_name or layer.op,
                layer,
                {k: weights[f"{node.layer}/{k}"] for k in expected[node.layer]},
                known[node.name],
            )
    return list(layers.values())


def layer_named(layers: Sequence[ModelLayer], name: str) -> ModelLayer:
    """The layer of that name or path.

    Raises:
        InputError: there is no such layer; the message lists all names.
    """
    for layer in layers:
        if layer.name == name:
            return layer
    # Imported only for an error: the start must be fast.
    from gru2np_runtime.hints import nearest

    names = [layer.name for layer in layers]
    raise InputError(
        f"no layer {name!r}{nearest(name, names)}; the model has "
        f"{', '.join(map(repr, names))}, as model.layers lists them"
    )


def summary(
    title: str,
    inputs: Sequence[tuple[str, Shape]],
    layers: Sequence[ModelLayer],
    params: int,
    stored: str | None,
) -> str:
    """A title line, and a table with a row for each layer.

    Args:
        title: the model's name.
        inputs: name and shape of each.
        layers: in the order of the rows.
        params: number of parameters.
        stored: the smaller dtype that kernels are stored in; None for none.
    """
    shapes = ", ".join(f"{name} {shape_text(shape)}" for name, shape in inputs)
    head = f"{title}: {shapes}, {params:,} parameters"
    if stored is not None:
        head += f", kernels stored as {stored}"
    header = ("layer", "class", "output shape", "parameters")
    rows = []
    for layer in layers:
        shapes = ", ".join(shape_text(shape) for shape in layer.output_shapes)
        rows.append((layer.name, layer.class_name, shapes, f"{layer.count_params():,}"))
    return "\n".join([plain(head), *table(header, rows, right={3})])


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
