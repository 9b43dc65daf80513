"""Masks of other rules than Keras 3's: kept away, or passed as arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.ir import TensorRef
from gru2np.upgrading.draft import inlined, named, unique, with_layer
from gru2np.upgrading.masks import NoMask, mask_of, stopped
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.ir import Call
    from gru2np.upgrading.comparing import TensorDiffers
    from gru2np.upgrading.draft import Draft

PASSED = "its mask is passed as an argument"
STOPPED = "the masks of its inputs are removed"
INSIDE = "masks inside it are other ones in Keras 3, and cannot be passed into it"
OTHER_MASK = "Keras 3 gives it another mask, and its own cannot be passed to it"
OTHER_INPUT = "Keras 3 computes what it reads in another way"


def with_masks(
    draft: Draft, found: Sequence[TensorDiffers], tried: set[Any]
) -> Iterator[tuple[str, str]]:
    """Give calls the masks that they had; yields what cannot be done, and why.

    Args:
        draft: the draft.
        found: the calls that read other tensors in Keras 3, or have other masks.
        tried: what was tried before; gets what is tried.

    Yields:
        The path of an old layer, and a sentence.
    """
    nested = {one.new.partition("/")[0]: one for one in found if "/" in one.new}
    for path, one in nested.items():
        if why := inlined(draft, path):
            yield one.path, f"{INSIDE}: {why}"
    if nested:
        return
    # Outputs of the model are those of layers, whose differences come first.
    for one in [x for x in found if x.new] or found:
        key = one.path, one.call, one.mask
        why = "passing it does not change that" if key in tried else _one(draft, one)
        tried.add(key)
        if why:
            yield one.path, f"{OTHER_MASK if one.mask else OTHER_INPUT}: {why}"


def _one(draft: Draft, found: TensorDiffers) -> str:
    """Make up for one difference; returns why not."""
    if not found.new:
        return "it is an output of the model"
    number = found.call.removeprefix("#") or "0"
    if not number.isdigit():
        return "it is inside the layer"
    index, passed = int(number), found.mask and found.before is not None
    mask = None
    if passed:
        assert found.before is not None
        try:
            mask = mask_of(draft, found.before)
        except NoMask as error:
            return str(error)
    # Read after the mask was built, which may have changed the model.
    call = named(draft.model, found.new).calls[index]
    call = replace(call, mask=mask) if passed else _without_masks(draft, call)
    layer = named(draft.model, found.new)
    calls = (*layer.calls[:index], call, *layer.calls[index + 1 :])
    draft.model = with_layer(draft.model, replace(layer, calls=calls))
    draft.say(found.path, PASSED if passed else STOPPED)
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
