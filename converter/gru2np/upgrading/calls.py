"""Calls of layers and operations, as files of Keras 3 have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.ir import Call, KerasLayer, TensorRef

    Tensor = Callable[[TensorRef], dict[str, Any]]


def node_of(layer: KerasLayer, call: Call, tensor: Tensor) -> dict[str, Any]:
    """The record of one call.

    Args:
        layer: that is called.
        call: of it.
        tensor: gives the record of a tensor.
    """
    keywords: dict[str, Any] = {
        key: value for key, value in call.keywords.items() if key != "training"
    }
    inputs = [tensor(ref) for ref in call.inputs]
    by_position = {key: ref for key, ref in call.arguments.items() if type(key) is int}
    known = LAYERS.get(layer.class_name)
    if known is not None and known.mask == SEQUENCE:
        positional: list[Any] = inputs[:1]
        if len(inputs) > 1:
            keywords["initial_state"] = inputs[1:]
    elif layer.model is not None:
        keys, single = layer.model.input_keys, layer.model.single[0]
        names = dict(zip(keys or (), inputs, strict=False))
        positional = [names or (inputs[0] if single else inputs)]
    elif by_position or call.constants:
        # Arguments after the last tensor are options of the operation.
        places = [*by_position, *(position for position, _ in call.constants)]
        positional = [None] * (max(places) + 1)
        for position, ref in by_position.items():
            assert type(position) is int
            positional[position] = tensor(ref)
        for position, value in call.constants:
            positional[position] = value
    else:
        positional = inputs if len(inputs) == 1 else [inputs]
    for name, ref in call.arguments.items():
        if isinstance(name, str):
            keywords[name] = tensor(ref)
    if isinstance(call.mask, tuple):
        keywords["mask"] = [None if ref is None else tensor(ref) for ref in call.mask]
    elif call.mask is not None:
        keywords["mask"] = tensor(call.mask)
    return {"args": positional, "kwargs": keywords}
