"""Shapes that a model of tf.keras computes with ``tf.shape``, read from its tensors.

``tf.shape(x)[1]`` in the shape of a reshape becomes the size of axis 1 of x, which the
operation reads itself.  So the nodes between them are not needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.errors import Problem, UnsupportedModelError
from gru2np.generations.records import is_integer
from gru2np.ir import Call, ComputedSize, KerasLayer, KerasModel, TensorRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    # A number and the sizes that it is multiplied with: tensors and axes; the axis is
    # None for all sizes of a tensor.
    Size = tuple[int, tuple[tuple[TensorRef, int | None], ...]]

SHAPE = "ops.Shape"
# Operations that are others with computed sizes.
COMPUTED = {
    "ops.BroadcastTo": "ops.ComputedBroadcast",
    "ops.Reshape": "ops.ComputedReshape",
}
# Nodes that only sizes go through.
INNER = (SHAPE, "ops.GetItem", "ops.Stack", "ops.Multiply", "ops.Cast", "ops.Unstack")
# Of products of products, each of which may be used twice.
MAX_DEPTH = 8


def resolved(model: KerasModel) -> KerasModel:
    """The model with computed shapes read from the tensors themselves.

    Raises:
        UnsupportedModelError: a shape is computed in a way that is not followed.
    """
    layers = [
        layer if layer.model is None else replace(layer, model=resolved(layer.model))
        for layer in model.layers
    ]
    by_name = {layer.name: layer for layer in layers}
    layers = [_with_sizes(layer, by_name) for layer in layers]
    if not any(layer.class_name == SHAPE for layer in layers):
        return replace(model, layers=tuple(layers))
    layers = [_as_number(layer, by_name) for layer in layers]
    layers = _needed(layers, model.outputs)
    for layer in layers:
        if layer.class_name == SHAPE:
            reason = (
                "a shape that the model computes with in a way that this version does "
                "not follow; give the sizes as numbers, or -1 for the one that is left"
            )
            raise UnsupportedModelError([Problem(layer.name, "tf.shape", reason)])
    return replace(model, layers=tuple(layers))


def _with_sizes(layer: KerasLayer, by_name: Mapping[str, KerasLayer]) -> KerasLayer:
    """A layer with its computed sizes as options, and their tensors as inputs."""
    found = {key: value for key, value in layer.config.items() if _holds_tensors(value)}
    if not found or len(layer.calls) != 1:
        return layer
    inputs = list(layer.calls[0].inputs)
    config = dict(layer.config)
    for key, value in found.items():
        config[key] = [
            item if is_integer(item) else _computed(_checked(layer, size), inputs)
            for item in _items(value, by_name, layer)
            for size in (None if is_integer(item) else _size(item, by_name, 0),)
        ]
    call = replace(layer.calls[0], inputs=tuple(inputs))
    name = COMPUTED.get(layer.class_name, layer.class_name)
    return replace(layer, class_name=name, config=config, calls=(call,))


def _holds_tensors(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, TensorRef) for item in items)


def _items(
    value: Any, by_name: Mapping[str, KerasLayer], layer: KerasLayer
) -> Iterable[Any]:
    """The sizes of a shape, each a number or a tensor."""
    if isinstance(value, list):
        return value
    source = by_name.get(value.layer)
    if source is None or source.class_name != "ops.Stack" or len(source.calls) != 1:
        return [value]
    return _operands(source.calls[0])


def _operands(call: Call) -> list[Any]:
    """Tensors and constants of a call in their order."""
    constants, inputs = dict(call.constants), list(call.inputs)
    count = len(constants) + len(inputs)
    return [constants[i] if i in constants else inputs.pop(0) for i in range(count)]


def _checked(layer: KerasLayer, size: Size | None) -> Size:
    if size is None:
        reason = (
            "a shape computed by the model itself in a way that this version does not "
            "follow; give the sizes as numbers, as tf.shape(x)[axis], or as -1"
        )
        raise UnsupportedModelError([Problem(layer.name, layer.class_name, reason)])
    return size


def _computed(size: Size, inputs: list[TensorRef]) -> ComputedSize:
    """The size in the runtime's form; its tensors are appended to the inputs."""
    number, places = size
    numbers = [number]
    for ref, axis in places:
        if ref not in inputs:
            inputs.append(ref)
        if axis is None:
            return ComputedSize((0, inputs.index(ref)))
        numbers += [inputs.index(ref), axis]
    return ComputedSize(tuple(numbers))


def _size(item: Any, by_name: Mapping[str, KerasLayer], depth: int) -> Size | None:
    """What a tensor or number is as a size; None if it is not followed."""
    if is_integer(item):
        return item, ()
    layer = by_name.get(item.layer) if isinstance(item, TensorRef) else None
    if layer is None or len(layer.calls) != 1 or depth > MAX_DEPTH:
        return None
    call = layer.calls[0]
    if layer.class_name == SHAPE:
        return 1, ((call.inputs[0], None),)
    place = _place(layer, item, by_name)
    if place is not None:
        return 1, (place,)
    if layer.class_name == "ops.Cast" and layer.config.get("dtype") in (
        *("int32", "int64"),
    ):
        return _size(call.inputs[0], by_name, depth + 1)
    if layer.class_name != "ops.Multiply":
        return None
    number = 1
    places: list[tuple[TensorRef, int | None]] = []
    for operand in _operands(call):
        size = _size(operand, by_name, depth + 1)
        if size is None or any(axis is None for _, axis in size[1]):
            return None
        number *= size[0]
        places += size[1]
    return (number, tuple(places)) if number > 0 else None


def _place(
    layer: KerasLayer, ref: TensorRef, by_name: Mapping[str, KerasLayer]
) -> tuple[TensorRef, int] | None:
    """The tensor and the axis whose size is an item of its shape."""
    call = layer.calls[0]
    if layer.class_name not in ("ops.GetItem", "ops.Unstack") or not call.inputs:
        return None
    shape = by_name.get(call.inputs[0].layer)
    if shape is None or shape.class_name != SHAPE or len(shape.calls) != 1:
        return None
    if layer.class_name == "ops.Unstack":
        return shape.calls[0].inputs[0], ref.output
    ((_, key),) = call.constants or ((1, None),)
    axis = key[0] if isinstance(key, list) and len(key) == 1 else key
    return (shape.calls[0].inputs[0], axis) if is_integer(axis) else None


def _as_number(layer: KerasLayer, by_name: Mapping[str, KerasLayer]) -> KerasLayer:
    """An item of a shape as the size of an axis, for numbers computed from it."""
    if len(layer.calls) != 1 or layer.class_name not in ("ops.GetItem", "ops.Counting"):
        return layer
    if layer.class_name == "ops.Counting":
        return _counting(layer, by_name)
    place = _place(layer, TensorRef(layer.name, 0, 0), by_name)
    if place is None:
        return layer
    shape = by_name[layer.calls[0].inputs[0].layer]
    config = {"axis": place[1], "out_type": shape.config.get("out_type") or "int32"}
    return replace(
        layer, class_name="ops.SizeOf", config=config, calls=(Call((place[0],)),)
    )


def _counting(layer: KerasLayer, by_name: Mapping[str, KerasLayer]) -> KerasLayer:
    """A range to the size of an axis, which reads the tensor itself."""
    call = layer.calls[0]
    size = _size(call.inputs[0], by_name, 0) if call.inputs else None
    if size is None or size[0] != 1 or len(size[1]) != 1 or size[1][0][1] is None:
        return layer
    ((ref, axis),) = size[1]
    config = {**layer.config, "axis": axis}
    return replace(layer, config=config, calls=(Call((ref,)),))


def _needed(layers: list[KerasLayer], outputs: Iterable[TensorRef]) -> list[KerasLayer]:
    """The layers without those of sizes that nothing reads any more."""
    inner = {*INNER, "ops.SizeOf"}
    while True:
        read = {ref.layer for ref in outputs}
        read.update(
            ref.layer
            for layer in layers
            for call in layer.calls
            for ref in call.references()
        )
        kept = [
            layer
            for layer in layers
            if layer.class_name not in inner or layer.name in read
        ]
        if len(kept) == len(layers):
            return kept
        layers = kept
