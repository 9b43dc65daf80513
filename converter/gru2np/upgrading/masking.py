"""Masks of other rules than Keras 3's: kept away, or passed as arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.errors import Problem
from gru2np.ir import TensorRef
from gru2np.upgrading.draft import inlined, named, unique, with_layer
from gru2np.upgrading.masks import NoMask, mask_of, stopped
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.ir import Call
    from gru2np.upgrading.comparing import TensorDiffers
    from gru2np.upgrading.draft import Draft

PASSED = "its mask is passed as an argument"
STOPPED = "the masks of its inputs are removed"
TAKEN_APART = "written as its layers, which have masks of their own"


def with_masks(
    draft: Draft, found: Sequence[TensorDiffers], tried: set[Any]
) -> list[Problem]:
    """Give calls the masks that they had; returns what cannot be done."""
    nested = {one.new.partition("/")[0] for one in found if "/" in one.new}
    for path in nested:
        layer = named(draft.model, path)
        if layer.model is None or any(call.mask is not None for call in layer.calls):
            return [
                Problem(path, layer.class_name, "masks inside it differ in Keras 3")
            ]
        inlined(draft, layer.name)
        draft.say(path, TAKEN_APART)
    if nested:
        return []
    problems = []
    # Outputs of the model are those of layers, whose differences come first.
    for one in [x for x in found if x.new] or found:
        key = one.path, one.call, one.mask
        reason = "used twice" if key in tried else _one(draft, one)
        tried.add(key)
        if reason:
            op = "mask" if one.mask else "input"
            text = (
                f"Keras 3 has another {op} here, and there is no exact form: {reason}"
            )
            problems.append(Problem(one.path, "layer", text))
    return problems


def _one(draft: Draft, found: TensorDiffers) -> str:
    """Make up for one difference; returns why not."""
    if not found.new:
        return "an output of the model"
    number = found.call.removeprefix("#") or "0"
    if not number.isdigit():
        return "it is inside the layer"
    index = int(number)
    layer = named(draft.model, found.new)
    call = layer.calls[index]
    if found.mask and found.before is not None:
        try:
            mask = mask_of(draft, found.before)
        except NoMask as error:
            return str(error)
        call, words = replace(call, mask=mask), PASSED
    else:
        call, words = _without_masks(draft, call), STOPPED
    layer = named(draft.model, found.new)
    calls = (*layer.calls[:index], call, *layer.calls[index + 1 :])
    draft.model = with_layer(draft.model, replace(layer, calls=calls))
    draft.say(found.path, words)
    return ""


def _without_masks(draft: Draft, call: Call) -> Call:
    """The call, its inputs without masks."""

    def without(ref: TensorRef) -> TensorRef:
        known = [
            layer
            for layer in draft.model.layers
            if encode_name(layer.name) in draft.plain
            and layer.calls[0].inputs == (ref,)
        ]
        if not known:
            name = unique(draft.model, f"{ref.layer}_unmasked")
            known = [stopped(name, ref)]
            draft.add(known[0])
            draft.plain.add(encode_name(name))
        return TensorRef(known[0].name, 0, 0)

    arguments = {key: without(ref) for key, ref in call.arguments.items()}
    return replace(call, inputs=tuple(map(without, call.inputs)), arguments=arguments)
