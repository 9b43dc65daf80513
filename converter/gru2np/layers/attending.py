"""Converts DotProductAttention, an operation of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import NOT_HERE, build
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import FUSED, CallRule, LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

ARGUMENTS = ("query", "key", "value", "bias")


def attention(config: Config) -> Layer:
    """DotProductAttention; the call decides whether there are a bias and a mask."""
    config.value("bias", None)
    if config.value("attn_logits_soft_cap", None) is not None:
        config.refuse(
            f"{NOT_HERE}: with a cap, which only some backends have",
            "attn_logits_soft_cap",
        )
    # Another way to compute the same.
    config.value("flash_attention", None)
    scale = config.value("scale", None)
    calls = config.layer.calls
    if len(calls) > 1 or any(call.constants for call in calls):
        config.refuse("expected a query, a key, a value and a bias that are tensors")
    return build(
        config,
        runtime.DotProductAttention,
        scale=[] if scale is None else [config.number("scale")],
        causal=config.boolean("is_causal", False),
        has_bias=any("bias" in call.arguments or 3 in call.arguments for call in calls),
        has_mask=any(call.mask is not None for call in calls),
    )


LAYERS = {
    "ops.DotProductAttention": LayerSpec(
        attention,
        STOPS,
        False,
        CallRule(FUSED, ARGUMENTS, (), False, False),
        None,
        UNCHECKED,
    ),
}
