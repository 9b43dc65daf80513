"""Masks as tensors of a draft, and operations that stop a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import TensorRef
from gru2np.upgrading.draft import inlined, named, operation, unique

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gru2np.ir import KerasLayer
    from gru2np.upgrading.draft import Draft
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Ref


class NoMask(Exception):
    """The draft has no tensor that is the mask; the message says why."""


# How the runtime's operations on masks are written: class, options, constants.
OPERATIONS: dict[str, tuple[str, Callable[[Any], dict[str, Any]], Callable[[Any], Any]]]
OPERATIONS = {
    "any": ("Any", lambda x: {"axis": list(x.axes), "keepdims": False}, lambda x: ()),
    "concatenate": ("Concatenate", lambda x: {"axis": x.axis}, lambda x: ()),
    "logical_and": ("LogicalAnd", lambda x: {}, lambda x: ()),
    "logical_or": ("LogicalOr", lambda x: {}, lambda x: ()),
    "not_equal": ("NotEqual", lambda x: {}, lambda x: ((1, x.value),)),
}


def mask_of(draft: Draft, ref: Ref) -> TensorRef:
    """The tensor of the draft that is a tensor of the old graph; built if need be.

    A nested model that it is in is replaced by its layers, so that calls must be read
    from the draft after this.

    Raises:
        NoMask: it is inside another layer, or of an operation that is not written.
    """
    if ref not in draft.masks:
        draft.masks[ref] = _built(draft, ref)
    return draft.masks[ref]


def _built(draft: Draft, ref: Ref) -> TensorRef:
    name, output = ref
    ports = [port.name for port in draft.before.inputs]
    if name in ports:
        return draft.model.inputs[ports.index(name)]
    node = next(node for node in draft.before.nodes if node.name == name)
    layer = draft.before.layers[node.layer]
    if "#" in node.layer:
        inputs = [mask_of(draft, x) for x in node.inputs]
        return _operation(draft, node.layer, layer, inputs)
    if node.layer not in draft.origins.values():
        why = "which was built of several layers"
        raise NoMask(f"it comes from {node.layer!r}, {why}")
    while "/" in (path := draft.name(node.layer)):
        if why := inlined(draft, path.partition("/")[0]):
            raise NoMask(f"it comes from {path!r}, and {why}")
    call = node.name[len(node.layer) :].removeprefix("#") or "0"
    if not call.isdigit():
        raise NoMask(f"it is made inside {node.layer!r}")
    return TensorRef(named(draft.model, path).name, int(call), output)


def _operation(
    draft: Draft, path: str, layer: Layer, inputs: list[TensorRef]
) -> TensorRef:
    if layer.op not in OPERATIONS:
        raise NoMask(f"it is made by an operation that cannot be written ({layer.op})")
    class_name, options, constants = OPERATIONS[layer.op]
    name = unique(draft.model, path.replace("#", "_").replace("/", "_"))
    draft.add(operation(class_name, name, inputs, options(layer), constants(layer)))
    return TensorRef(name, 0, 0)


def stopped(name: str, ref: TensorRef) -> KerasLayer:
    """An operation that returns a tensor without its mask: it multiplies by 1."""
    return operation("Multiply", name, [ref], constants=((1, 1.0),))
