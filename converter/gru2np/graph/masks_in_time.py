"""Masks at TimeDistributed: what the layer inside is given, and what comes out.

By ``Meaning.masks.in_time``; measured, and read in Keras 2.0 to 2.3
``keras/layers/wrappers.py``, TensorFlow's of the same name and Keras 3.15
``keras/src/layers/rnn/time_distributed.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.graph.mask_sources import INSIDE, UNUSABLE, creates_mask, uses_mask
from gru2np.layers import LAYERS, spec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.graph.assembly import Value
    from gru2np.graph.masks import Masks
    from gru2np.ir import KerasLayer

    Ref = tuple[str, int]


def used(masks: Masks, x: Value, mask: Ref | None) -> Ref | None:
    """The mask that the layer inside is given, with the axis of steps in front."""
    child, meaning = _child(masks), masks.builder.meaning
    if mask is None:
        return None
    own = child.model is None and child.class_name not in LAYERS
    if own and meaning.masks.own_layers_masked_in_time:
        masks.refuse(
            "a mask that reaches a layer of your own inside TimeDistributed: in "
            "tf.keras the outputs then hang on the size of the batch"
        )
        return None
    if _rule(masks, x) == "kept" or not uses_mask(child, masks.builder.specs):
        return None
    if masks.usable(mask) is None:
        return None
    if child.model is not None or len(_shape(masks, mask)) < 3:
        masks.refuse(
            "a mask of whole steps, or of a model inside TimeDistributed, is not "
            "supported"
        )
        return None
    return mask


def given(masks: Masks, name: str, x: Value, mask: Ref | None) -> Ref | None:
    """The mask of the output."""
    child = _child(masks)
    if _rule(masks, x) in ("kept", "steps"):
        return mask
    if creates_mask(child):
        # One inside a model cannot be told from outside.
        return INSIDE if child.model is not None else _created(masks, name, child, x)
    if mask is None or mask in UNUSABLE:
        return mask
    known = masks.builder.specs.get(child.class_name)
    sequence = bool(child.config.get("return_sequences", False))
    ends = known is not None and known.mask == spec.SEQUENCE and not sequence
    rank = len(_shape(masks, mask))
    if not ends or rank < 3:
        return mask
    # A step counts if anything in it does.
    anything = runtime.Any(axes=tuple(range(2, rank)), keepdims=False)
    return masks.node(name, "any", [mask], anything)


def _created(masks: Masks, name: str, child: KerasLayer, x: Value) -> Ref | None:
    """The mask that Masking or Embedding inside makes of every step."""
    if child.class_name == "Embedding":
        return masks.node(name, "mask", [x.ref], runtime.NotEqual(value=0.0))
    if child.class_name != "Masking":
        return INSIDE
    value = float(child.config.get("mask_value", 0.0))
    differs = masks.node(name, "differs", [x.ref], runtime.NotEqual(value=value))
    anything = runtime.Any(axes=(-1,), keepdims=False)
    return masks.node(name, "mask", [differs], anything)


def _rule(masks: Masks, x: Value) -> str:
    rule = masks.builder.meaning.masks.in_time
    if rule == "folded_in_free_batches":
        # A declared batch is run step by step, and masks are no business of that.
        return "folded" if _shape(masks, x.ref)[0] is None else "kept"
    return rule


def _child(masks: Masks) -> KerasLayer:
    return dict(masks.layer.children)["layer"]


def _shape(masks: Masks, ref: Ref) -> tuple[int | None, ...]:
    return masks.builder.shapes[ref[0]][ref[1]]
