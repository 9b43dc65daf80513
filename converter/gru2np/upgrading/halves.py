"""Bidirectional as two layers and a merge, without what Keras 3 does to its masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.ir import Call, KerasLayer, TensorRef
from gru2np.upgrading.draft import named, spliced, unique
from gru2np.upgrading.masks import mask_of, stopped
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
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
    layer = named(draft.model, path)
    nodes = [node for node in draft.before.nodes if node.layer == old]
    if len(nodes) != len(layer.calls) or layer.calls[0].mask is not None:
        return False
    masks = [node.mask and mask_of(draft, node.mask) for node in nodes]
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
    model = draft.model
    added: list[KerasLayer] = list(halves)
    ends = [(half.name, 0) for half in halves]
    if halves[0].config.get("return_sequences"):
        added, ends = _in_step(model, layer, halves)
    outputs = dict(enumerate(ends))
    mode = layer.config.get("merge_mode")
    if mode is not None:
        calls = tuple(
            Call(tuple(TensorRef(name, i, output) for name, output in ends))
            for i in range(len(layer.calls))
        )
        options = {"dtype": layer.config.get("dtype")}
        if mode == "concat":
            options["axis"] = -1
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
    draft.model = spliced(model, layer.name, added, outputs)
    draft.settled |= {(old, key) for key in ("op", "inputs", "mask")}
    return True


def _states(half: KerasLayer) -> int:
    return 2 if "LSTM" in half.class_name else 1


def _in_step(
    model: KerasModel, layer: KerasLayer, halves: list[KerasLayer]
) -> tuple[list[KerasLayer], list[tuple[str, int]]]:
    """The halves with the steps of their outputs in the same order, without masks."""
    added, ends = list(halves), []
    for half in halves:
        name = unique(model, f"{half.name}_steps")
        source = [TensorRef(half.name, i, 0) for i in range(len(layer.calls))]
        if half.config.get("go_backwards"):
            for i, ref in enumerate(source):
                at = f"{name}_{i}" if i else name
                added.append(
                    KerasLayer(
                        "ops.Flip", at, {"axis": 1}, training={}, calls=(Call((ref,)),)
                    )
                )
        else:
            added += [
                stopped(f"{name}_{i}" if i else name, ref)
                for i, ref in enumerate(source)
            ]
        ends.append((name, 0))
    return added, ends
