"""Activations with constant output: softmax over an axis of length 1.

Keras' softmax works over the last axis.  A custom function of that name may work over
another, and files name both ``softmax``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime import layers as runtime
from gru2np_runtime.activations import axes_of
from gru2np_runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime import Layer
    from gru2np_runtime.layer import ActivationSpec, Shape

# Their constant output over an axis of length 1.
CONSTANT = {"log_softmax": "0", "softmax": "1", "sparsemax": "1"}


def constant_functions(
    graph: Graph, titles: Mapping[str, tuple[str, str]]
) -> list[str]:
    """A warning for each layer with an activation of constant output.

    Args:
        graph: of a model.
        titles: name and class in Keras, by layer path.
    """
    warnings = []
    for path, function in dict.fromkeys(_of_graph(graph, "")):
        name, class_name = titles.get(path, (path, "layer"))
        warnings.append(
            f"layer {name!r} ({class_name}): {function} over an axis of length 1 gives "
            f"{CONSTANT[function]} always, whatever the input is. If it was a custom "
            "function over another axis, the file does not say so, and these outputs "
            "are not your model's: give yours with --custom-objects FILE.py, in Python "
            f"custom_objects={{{name!r}: your_function}} for an Activation layer and "
            f"{{{function!r}: your_function}} for all layers"
        )
    return warnings


def _of_graph(graph: Graph, prefix: str) -> Iterator[tuple[str, str]]:
    known, _ = graph.infer_nodes()
    for node in graph.nodes:
        inputs = [known[name][index] for name, index in node.inputs]
        layer = graph.layers[node.layer]
        yield from _of_layer(layer, prefix + node.layer, inputs, known[node.name])


def _of_layer(
    layer: Layer, path: str, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Iterator[tuple[str, str]]:
    """Paths and constant functions of a layer and of the layers inside it.

    In recurrent layers the functions have inputs of ``units`` or ``filters`` along the
    last axis; in all other layers, those of the shape of the output.
    """
    if isinstance(layer, Graph):
        yield from _of_graph(layer, f"{path}/")
        return
    attributes = layer.attributes()
    size = attributes.get("units", attributes.get("filters"))
    if isinstance(layer, (runtime.Activation, runtime.Softmax)):
        shape = inputs[0]
    else:
        shape = (None, size) if isinstance(size, int) else outputs[0]
    if isinstance(layer, runtime.Softmax) and _alone(layer.axes, shape):
        yield path, "softmax"
    for key, kind in layer.attribute_kinds().items():
        if kind == "ActivationSpec":
            yield from ((path, name) for name in _named(attributes[key], shape))
    for name, child in layer.layers.items():
        child_inputs, child_outputs = inputs, outputs
        if isinstance(layer, runtime.TimeDistributed):
            child_inputs = [(shape[0], *shape[2:]) for shape in inputs]
            child_outputs = child.output_shapes(*child_inputs)
        yield from _of_layer(child, f"{path}/{name}", child_inputs, child_outputs)


def _named(function: ActivationSpec, shape: Shape) -> Iterator[str]:
    name = function if isinstance(function, str) else str(function["function"])
    if name in CONSTANT and _alone(axes_of(function), shape):
        yield name


def _alone(axes: Sequence[int], shape: Shape) -> bool:
    """Whether all the axes are of length 1."""
    return all(-len(shape) <= i < len(shape) and shape[i] == 1 for i in axes)
