"""Calls of layers and operations, as files of Keras 3 have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.ir import TensorRef
from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import SEQUENCE
from gru2np.upgrading.options import options_in_call, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.ir import Call, KerasLayer

    Tensor = Callable[[TensorRef], dict[str, Any]]

# Classes whose tensors are in one list, even if it is only one.
TAKES_LISTS = frozenset(
    {
        *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply"),
        *("Subtract", "ops.Concatenate", "ops.Stack"),
    }
)

# Arguments that Keras wants though they have defaults: it infers shapes without these.
LEAST = {"ops.LayerNorm": 3}


def node_of(layer: KerasLayer, call: Call, tensor: Tensor) -> dict[str, Any]:
    """The record of one call.

    Args:
        layer: that is called.
        call: of it.
        tensor: gives the record of a tensor.
    """
    keywords: dict[str, Any] = {
        name: tensor(ref)
        for name, ref in call.arguments.items()
        if isinstance(name, str)
    }
    if layer.class_name.startswith("ops."):
        keywords |= options_in_call(layer)
        if isinstance(call.mask, TensorRef):
            keywords["mask"] = tensor(call.mask)
        return {"args": _operands(layer, call, tensor), "kwargs": keywords}
    # The file has some tensors here, as its own Keras names them.
    options = call.keywords.keys() - call.arguments.keys()
    keywords |= {key: x for key, x in call.keywords.items() if key in options}
    inputs = [tensor(ref) for ref in call.inputs]
    known = LAYERS.get(layer.class_name)
    by_position = [ref for key, ref in call.arguments.items() if type(key) is int]
    if known is not None and known.mask == SEQUENCE:
        positional: list[Any] = inputs[:1]
        if len(inputs) > 1:
            keywords["initial_state"] = _states(layer, inputs[1:])
    elif layer.model is not None:
        keys, single = layer.model.input_keys, layer.model.single[0]
        names = dict(zip(keys or (), inputs, strict=False))
        positional = [names or (inputs[0] if single else inputs)]
    elif (known is not None and known.call.tensors) or len(by_position) > 1:
        positional = [tensor(ref) for ref in by_position]
    else:
        several = layer.class_name in TAKES_LISTS
        positional = [inputs] if several or len(inputs) > 1 else inputs
    if isinstance(call.mask, tuple):
        keywords["mask"] = [None if ref is None else tensor(ref) for ref in call.mask]
    elif call.mask is not None:
        keywords["mask"] = tensor(call.mask)
    return {"args": positional, "kwargs": keywords}


def _states(layer: KerasLayer, tensors: list[Any]) -> Any:
    """Initial states as Keras takes them: of a stack of cells, those of each cell."""
    cells = [
        cell
        for name, child in layer.children
        if name == "cell"
        for _, cell in child.children
    ]
    if not cells:
        return tensors[0] if len(tensors) == 1 else tensors
    states = []
    for cell in cells:
        count = 2 if cell.class_name == "LSTMCell" else 1
        own, tensors = tensors[:count], tensors[count:]
        states.append(own if count > 1 else own[0])
    return states


def _operands(layer: KerasLayer, call: Call, tensor: Tensor) -> list[Any]:
    """The positional arguments of an operation: tensors and constants."""
    constants = dict(call.constants)
    tensors = [tensor(ref) for ref in call.inputs]
    if layer.class_name in TAKES_LISTS and not constants:
        return [tensors]
    operands: list[Any] = []
    while tensors or constants:
        position = len(operands)
        if position in constants:
            operands.append(value_of(constants.pop(position)))
        elif tensors:
            operands.append(tensors.pop(0))
        else:
            operands.append(None)
    operands += [None] * (LEAST.get(layer.class_name, 0) - len(operands))
    return operands
