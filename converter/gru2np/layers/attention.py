"""Converts attention; its meaning is in the runtime's file of this name.

``graph/calls.py`` reads the calls of these layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import is_integer
from gru2np.layers.dtype_rules import ADDED, BESIDE_FLOATS, FLOATS, PROMOTED
from gru2np.layers.mask_rules import QUERY
from gru2np.layers.spec import (
    ATTENTION,
    HEADS,
    IN_LAYER,
    CallRule,
    LayerSpec,
    Weights,
)
from gru2np_runtime.layers import Attention, MultiHeadAttention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np.layers.dtype_rules import AcceptedDtypes, DtypeRule
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# Tensors in calls of MultiHeadAttention.
TENSORS = (
    *("query", "value", "key"),
    *("query_mask", "value_mask", "key_mask", "attention_mask"),
)
# Other arguments in calls of all attention layers.
OPTIONS = ("return_attention_scores", "use_causal_mask")
# The attributes of the projections; in Keras 2 they begin with an underscore.
PARTS = {
    "attention_output": "output_dense",
    "gate": "_gate_dense",
    "key": "key_dense",
    "query": "query_dense",
    "value": "value_dense",
}


def attention(config: Config) -> Layer:
    """Attention; in Keras 2 ``causal`` was an option too."""
    config.boolean("causal", False)
    return config.build(
        Attention,
        score=config.choice("score_mode", ("dot", "concat"), "dot"),
        use_scale=config.boolean("use_scale", False),
    )


def additive_attention(config: Config) -> Layer:
    """AdditiveAttention; by default its scale is trained."""
    config.boolean("causal", False)
    return config.build(
        Attention, score="additive", use_scale=config.boolean("use_scale", True)
    )


def multi_head_attention(config: Config) -> Layer:
    """MultiHeadAttention; the default of ``value_dim`` is ``key_dim``."""
    for option in ("query_shape", "key_shape", "value_shape"):
        # Keras 2 writes the shapes that the layer was built with.
        config.value(option, None)
    key_dim = config.integer("key_dim")
    value_dim = config.value("value_dim", None)
    return config.build(
        MultiHeadAttention,
        num_heads=config.integer("num_heads"),
        key_dim=key_dim,
        value_dim=config.integer("value_dim") if value_dim else key_dim,
        output_shape=_several(config, "output_shape"),
        attention_axes=_several(config, "attention_axes"),
        **_options(config, robust=config.boolean("softmax_robust_masking", False)),
    )


def group_query_attention(config: Config) -> Layer:
    """GroupQueryAttention, called GroupedQueryAttention in Keras."""
    return config.build(
        MultiHeadAttention,
        num_heads=config.integer("num_query_heads"),
        key_value_heads=config.integer("num_key_value_heads"),
        key_dim=config.integer("head_dim"),
        value_dim=config.integer("head_dim"),
        **_options(config, robust=False),
    )


def _options(config: Config, robust: bool) -> dict[str, Any]:
    window = config.value("sliding_window", None)
    config.value("flash_attention", None)
    return {
        "use_bias": config.boolean("use_bias", True),
        "use_gate": config.boolean("use_gate", False),
        "sliding_window": config.integer("sliding_window") if window else 0,
        "masked_scores": "replaced"
        if robust
        else config.meaning.attention.masked_scores,
    }


def _several(config: Config, key: str) -> list[int]:
    """An int or a list of ints; None and an empty list are the default."""
    value = config.value(key, None)
    items = value if isinstance(value, (list, tuple)) else [value] if value else []
    for item in items:
        if not is_integer(item) or item < 1:
            config.refuse("expected integers above 0", key, value)
    return list(items)


def _of_score(layer: Any) -> AcceptedDtypes:
    return BESIDE_FLOATS if layer.score == "dot" else FLOATS


def scores(convert: Callable[[Config], Layer], dtypes: DtypeRule) -> LayerSpec:
    """A layer of query, value and key that may return its scores."""
    call = CallRule(ATTENTION, (), OPTIONS, takes_masks=False, masked_second=False)
    return LayerSpec(convert, QUERY, True, call, IN_LAYER, dtypes)


def heads(
    convert: Callable[[Config], Layer], parts: Mapping[str, str], takes_masks: bool
) -> LayerSpec:
    """A layer of several heads, whose projections are inner layers."""
    call = CallRule(HEADS, TENSORS, OPTIONS, takes_masks, masked_second=False)
    weights = Weights(parts=parts)
    return LayerSpec(convert, QUERY, True, call, weights, PROMOTED)


LAYERS = {
    "AdditiveAttention": scores(additive_attention, ADDED),
    "Attention": scores(attention, _of_score),
    # The first is the name in archives, the second in HDF5 files.
    **dict.fromkeys(
        ("GroupQueryAttention", "GroupedQueryAttention"),
        heads(
            group_query_attention,
            parts={part: f"_{at.lstrip('_')}" for part, at in PARTS.items()},
            takes_masks=False,
        ),
    ),
    "MultiHeadAttention": heads(multi_head_attention, parts=PARTS, takes_masks=True),
}
