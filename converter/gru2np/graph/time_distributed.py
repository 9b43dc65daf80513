"""Masks at TimeDistributed: the mask of the inner layer, and that of the output.

By ``Meaning.masks.in_time``; from measurements and from the sources: Keras 2.0 to 2.3
``keras/layers/wrappers.py``, TensorFlow's file of the same name and Keras 3.15
``keras/src/layers/rnn/time_distributed.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.graph.mask_sources import INSIDE, UNUSABLE, creates_mask, uses_mask
from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import SEQUENCE, Creates
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.graph.assembly import Ref
    from gru2np.graph.masks import LayerCall
    from gru2np.ir import KerasLayer


def mask_inside(call: LayerCall, mask: Ref | None) -> Ref | None:
    """The mask for the inner layer, with the time axis at axis 1."""
    inner, rules = _inner(call), call.builder.meaning.masks
    if mask is None:
        return None
    custom = inner.model is None and inner.class_name not in LAYERS
    if custom and rules.custom_layers_masked_in_time:
        call.refuse(
            "a mask that reaches a custom layer inside TimeDistributed: in tf.keras "
            "the outputs then depend on the size of the batch"
        )
        return None
    if _rule(call) == "kept" or not uses_mask(inner, call.builder.specs):
        return None
    if call.usable(mask) is None:
        return None
    if inner.model is not None or len(call.builder.shape(mask)) < 3:
        call.refuse(
            "a mask of whole steps, or of a model inside TimeDistributed, is not "
            "supported"
        )
        return None
    return mask


def output_mask(call: LayerCall, mask: Ref | None) -> Ref | None:
    """The mask of the output, by the mask rule of the inner layer."""
    inner = _inner(call)
    if _rule(call) in ("kept", "steps"):
        return mask
    if creates_mask(inner):
        # A mask made inside a nested model is not visible here.
        return INSIDE if inner.model is not None else _created(call, inner)
    if mask is None or mask in UNUSABLE:
        return mask
    spec = call.builder.specs.of(inner)
    sequence = bool(inner.config.get("return_sequences", False))
    ends = spec is not None and spec.mask == SEQUENCE and not sequence
    rank = len(call.builder.shape(mask))
    if not ends or rank < 3:
        return mask
    # A step is valid if any of its positions is.
    anything = runtime.Any(axes=tuple(range(2, rank)), keepdims=False)
    return call.node("any", [mask], anything)


def _created(call: LayerCall, inner: KerasLayer) -> Ref | None:
    """The mask that the inner layer creates from every step."""
    spec = LAYERS.get(inner.class_name)
    if spec is None or not isinstance(spec.mask, Creates):
        return INSIDE
    return call.created(call.inputs[0].ref, spec.mask, inner.config)


def _rule(call: LayerCall) -> str:
    rule = call.builder.meaning.masks.in_time
    if rule == "folded_in_free_batches":
        # With a declared batch size Keras runs step by step, without masks.
        free = call.builder.shape(call.inputs[0].ref)[0] is None
        return "folded" if free else "kept"
    return rule


def _inner(call: LayerCall) -> KerasLayer:
    return dict(call.layer.children)["layer"]
