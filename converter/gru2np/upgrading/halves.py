"""Bidirectional as two layers and a merge, without what Keras 3 does to its masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.ir import Call, KerasLayer, TensorRef
from gru2np.upgrading.draft import named, operation, spliced, unique
from gru2np.upgrading.masks import NoMask, mask_of, stopped
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.ir import KerasModel
    from gru2np.upgrading.draft import Draft

HALVES = ("forward_layer", "backward_layer")
MERGES = {"ave": "Average", "concat": "Concatenate", "mul": "Multiply", "sum": "Add"}


def apart(draft: Draft, path: str, old: str) -> bool:
    """Replace a Bidirectional of the outermost model; False if that is not possible.

    Args:
        draft: the draft.
        path: of the layer.
        old: its path in the old model.
    """
    if (old, "op") in draft.settled:  # because of its other half
        return True
    nodes = [node for node in draft.before.nodes if node.layer == old]
    try:
        masks = [node.mask and mask_of(draft, node.mask) for node in nodes]
    except NoMask:
        return False
    layer = named(draft.model, path)
    mode = layer.config.get("merge_mode")
    # Without a merge, the steps of each call are outputs of an operation of their own.
    several = mode is None and len(layer.calls) > 1
    if len(nodes) != len(layer.calls) or layer.calls[0].mask is not None or several:
        return False
    halves = []
    for attribute, half in layer.children:
        count = (len(layer.calls[0].inputs) - 1) // 2
        first = 1 if attribute == HALVES[0] else 1 + count
        calls = tuple(
            Call((call.inputs[0], *call.inputs[first : first + count]), mask=mask)
            for call, mask in zip(layer.calls, masks, strict=True)
        )
        direction = attribute.removesuffix("layer")
        name = unique(draft.model, direction + layer.name)
        halves.append(replace(half, name=name, calls=calls))
        draft.moved[encode_name(name)] = f"{old}/{attribute}"
        draft.rename(f"{path}/{attribute}", encode_name(name))
    added: list[KerasLayer] = list(halves)
    # For each call, the outputs of both halves.
    pairs = [[TensorRef(x.name, i, 0) for x in halves] for i in range(len(layer.calls))]
    if halves[0].config.get("return_sequences"):
        pairs = [_in_step(draft.model, halves, pair, added) for pair in pairs]
    outputs = {i: (ref.layer, ref.output) for i, ref in enumerate(pairs[0])}
    if mode is not None:
        options = {"dtype": layer.config.get("dtype")}
        if mode == "concat":
            options["axis"] = -1
        calls = tuple(Call(tuple(pair)) for pair in pairs)
        added.append(
            KerasLayer(MERGES[mode], layer.name, options, training={}, calls=calls)
        )
        outputs = {0: (layer.name, 0)}
    start = len(outputs)
    states = [
        (half.name, i)
        for half in halves
        for i in range(1, 1 + _states(half) * half.config.get("return_state", False))
    ]
    outputs |= {start + i: end for i, end in enumerate(states)}
    if mode is None:
        del draft.origins[path]
    for number, (name, output) in outputs.items():
        if mode is None or number:
            draft.outputs[encode_name(name), output] = (old, number)
    draft.model = spliced(draft.model, layer.name, added, outputs)
    draft.settled |= {(old, key) for key in ("op", "inputs", "mask")}
    return True


def _states(half: KerasLayer) -> int:
    return 2 if "LSTM" in half.class_name else 1


def _in_step(
    model: KerasModel,
    halves: Sequence[KerasLayer],
    pair: Sequence[TensorRef],
    added: list[KerasLayer],
) -> list[TensorRef]:
    """The outputs of both halves at one call, steps in one order, without masks.

    Args:
        model: that the layers will be in.
        halves: forwards and backwards.
        pair: the outputs of the halves.
        added: gets an operation for each.
    """
    steps = []
    for half, ref in zip(halves, pair, strict=True):
        name = unique(model, f"{half.name}_steps", [layer.name for layer in added])
        turned = half.config.get("go_backwards")
        added.append(
            operation("Flip", name, [ref], {"axis": 1})
            if turned
            else stopped(name, ref)
        )
        steps.append(TensorRef(name, 0, 0))
    return steps
