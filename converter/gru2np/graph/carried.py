"""Whether a tensor carries a mask, where layers before it cannot be converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.graph.mask_sources import creates_mask
from gru2np.layers import NOT_CONVERTED
from gru2np.layers.mask_rules import SEQUENCE, STOPS, Creates

if TYPE_CHECKING:
    from gru2np.ir import KerasLayer, KerasModel, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning

# It carries none for certain; every other answer is a doubt, in words.
UNMASKED = "no mask"
# Layers of Keras that are refused and could make a mask.
MAKING = frozenset({"AbstractRNNCell", "Layer", "Wrapper", "TFSMLayer"})


def carried(model: KerasModel, meaning: Meaning, specs: Specs, ref: TensorRef) -> str:
    """``UNMASKED``, or why a tensor may carry a mask.

    Only what is certain in every Keras counts: a layer makes a mask by its class alone,
    and all others pass on what they get, or nothing.

    Args:
        model: that holds the tensor.
        meaning: of its Keras.
        specs: how classes are converted.
        ref: the tensor.
    """
    layers = {layer.name: layer for layer in model.layers}
    pending, seen = [ref], set()
    while pending:
        ref = pending.pop()
        layer = layers.get(ref.layer)
        if layer is None or (ref.layer, ref.call) in seen:
            continue
        seen.add((ref.layer, ref.call))
        doubt = _made(layer, specs)
        if doubt:
            return doubt
        if ref.call < len(layer.calls) and not _stops(layer, specs, ref.output):
            pending.extend(layer.calls[ref.call].references())
    return UNMASKED


def _made(layer: KerasLayer, specs: Specs) -> str:
    """Why a layer may make a mask of its own; empty if it makes none."""
    name = f"layer {layer.name!r} ({layer.class_name.removeprefix('custom>')})"
    known = specs.of(layer) is not None
    if layer.class_name == "Lambda":
        masked = layer.config.get("mask") is not None
        return f"{name} has a function that computes a mask" if masked else ""
    if layer.model is not None or (known and creates_mask(layer)):
        makes = creates_mask(layer)
        return (
            f"{name} makes a mask, and a layer before the cut is not converted" * makes
        )
    of_keras = layer.class_name in NOT_CONVERTED and layer.class_name not in MAKING
    if known or of_keras or layer.class_name.startswith(("ops.", "tf.")):
        return ""
    return f"{name} is not one of Keras, and may make a mask or pass one on"


def _stops(layer: KerasLayer, specs: Specs, output: int) -> bool:
    """Whether no mask passes a layer, by the rule of its row."""
    spec = specs.of(layer)
    if spec is None:
        # Lambda gives the mask of its option, or none.
        return layer.class_name == "Lambda"
    if spec.mask == SEQUENCE:
        inner = [layer, *(child for _, child in layer.children)]
        sequences = any(x.config.get("return_sequences") for x in inner)
        return output > 0 or not sequences
    return spec.mask == STOPS or isinstance(spec.mask, Creates)
