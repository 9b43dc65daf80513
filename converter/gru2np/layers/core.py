"""Converts the core layers; their meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import activations
from gru2np.layers.dtype_rules import (
    ANY,
    FLOATS,
    IDS,
    PROMOTED,
    PROMOTED_NUMBERS,
    of_function,
)
from gru2np.layers.mask_rules import CASTS, MEASURED, Creates
from gru2np.layers.quantized import built, rule
from gru2np.layers.spec import (
    IN_LAYER,
    REVERSIBLE,
    SCORES,
    CallRule,
    LayerSpec,
    operation,
    unmasked,
)
from gru2np_runtime.layers import (
    Activation,
    Embedding,
    Identity,
    Masking,
    QuantizedReversibleEmbedding,
    ReversibleEmbedding,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def activation(config: Config) -> Layer:
    """Every layer that is one function: Activation, ReLU, ELU, Softmax, ..."""
    function = activations.LAYERS[config.layer.class_name](config)
    return config.build(Activation, function=function)


def acts_in_training(*options: str) -> Callable[[Config], Layer]:
    """A layer that returns its input in inference, whatever these options are."""

    def convert(config: Config) -> Layer:
        for option in options:
            config.value(option, None)
        return config.build(Identity)

    return convert


def masking(config: Config) -> Layer:
    """Masking; a step is masked if all its features equal ``mask_value``."""
    return config.build(Masking, mask_value=config.number("mask_value", 0.0))


def embedding(config: Config) -> Layer:
    """Embedding; the graph creates the mask of ``mask_zero``."""
    config.boolean("mask_zero", False)
    return config.build(
        Embedding,
        input_dim=config.integer("input_dim"),
        output_dim=config.integer("output_dim"),
    )


def reversible_embedding(config: Config) -> Layer:
    """ReversibleEmbedding; its calls choose the direction."""
    config.boolean("mask_zero", False)
    if config.value("reverse_dtype", None) not in (None, config.dtype()):
        config.refuse("computes the reverse in another dtype", "reverse_dtype")
    cap = config.value("logit_soft_cap", None)
    return built(
        config,
        ReversibleEmbedding,
        QuantizedReversibleEmbedding,
        input_dim=config.integer("input_dim"),
        output_dim=config.integer("output_dim"),
        tie_weights=config.boolean("tie_weights", True),
        logit_soft_cap=0.0 if cap is None else config.number("logit_soft_cap"),
    )


def convert_to_tensor(config: Config) -> Layer:
    """ConvertToTensor of a tensor, which Keras 3 adds for the masks of Attention."""
    if config.value("dtype", None) is not None:
        config.refuse("converts to another dtype", "dtype", config.value("dtype"))
    for option in ("sparse", "ragged"):
        config.value(option, None)
    return config.build(Identity)


# With ``mask_zero``, ids other than 0 are valid.
NOT_0 = Creates(0.0, enabled_by="mask_zero", any_feature=False)
LAYERS = {
    **{
        name: unmasked(activation, MEASURED, None, of_function)
        for name in activations.LAYERS
    },
    "Softmax": LayerSpec(
        activation,
        MEASURED,
        uses_mask=True,
        call=CallRule(SCORES, (), (), takes_masks=False, masked_second=True),
        weights=None,
        dtypes=FLOATS,
    ),
    "ActivityRegularization": unmasked(
        acts_in_training("l1", "l2"), MEASURED, None, ANY
    ),
    "AlphaDropout": unmasked(
        acts_in_training("rate", "noise_shape"), MEASURED, None, ANY
    ),
    "Dropout": unmasked(acts_in_training("rate", "noise_shape"), MEASURED, None, ANY),
    "Embedding": unmasked(embedding, NOT_0, IN_LAYER, ANY),
    "GaussianDropout": unmasked(acts_in_training("rate"), MEASURED, None, ANY),
    "GaussianNoise": unmasked(acts_in_training("stddev"), MEASURED, None, ANY),
    "Identity": unmasked(acts_in_training(), MEASURED, None, ANY),
    "Masking": unmasked(
        masking,
        Creates("mask_value", enabled_by="", any_feature=True),
        None,
        PROMOTED_NUMBERS,
    ),
    "ReversibleEmbedding": LayerSpec(
        reversible_embedding,
        NOT_0,
        uses_mask=False,
        call=CallRule(
            REVERSIBLE, (), ("reverse",), takes_masks=False, masked_second=False
        ),
        weights=IN_LAYER,
        dtypes=rule(PROMOTED, IDS),
    ),
    **{
        f"SpatialDropout{rank}D": unmasked(
            acts_in_training("rate", "noise_shape", "data_format"), MEASURED, None, ANY
        )
        for rank in (1, 2, 3)
    },
    "ops.ConvertToTensor": operation(convert_to_tensor, CASTS),
}
