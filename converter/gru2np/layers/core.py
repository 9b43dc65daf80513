"""Spelling of the core layers; their meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import activations
from gru2np.layers._spec import CREATES, KEEPS, LayerSpec
from gru2np_runtime.layers import (
    Activation,
    Dense,
    Embedding,
    Identity,
    Masking,
    PReLU,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer


def dense(config: Config) -> Layer:
    """Dense."""
    return config.build(
        Dense,
        units=config.integer("units"),
        activation=config.activation("activation"),
        use_bias=config.boolean("use_bias", True),
    )


def activation(config: Config) -> Layer:
    """Every layer of one function: Activation, ReLU, ELU, Softmax, ..."""
    function = activations.LAYERS[config.layer.class_name](config)
    return config.build(Activation, function=function)


def acts_in_training(*options: str) -> Callable[[Config], Layer]:
    """A layer that gives its input back outside training, whatever these options."""

    def convert(config: Config) -> Layer:
        for option in options:
            config.value(option, None)
        return config.build(Identity)

    return convert


def masking(config: Config) -> Layer:
    """Masking."""
    return config.build(Masking, mask_value=config.number("mask_value", 0.0))


def embedding(config: Config) -> Layer:
    """Embedding; what ``mask_zero`` means for others is the graph's business."""
    config.boolean("mask_zero", False)
    return config.build(
        Embedding,
        input_dim=config.integer("input_dim"),
        output_dim=config.integer("output_dim"),
    )


def prelu(config: Config) -> Layer:
    """PReLU."""
    axes = config.value("shared_axes", None)
    return config.build(PReLU, shared_axes=[] if axes is None else axes)


LAYERS = {
    **{name: LayerSpec(activation, mask=KEEPS) for name in activations.LAYERS},
    "Softmax": LayerSpec(activation, mask=KEEPS, uses_mask=True),
    "ActivityRegularization": LayerSpec(acts_in_training("l1", "l2"), mask=KEEPS),
    "AlphaDropout": LayerSpec(acts_in_training("rate", "noise_shape"), mask=KEEPS),
    "Dense": LayerSpec(dense, mask=KEEPS),
    "Dropout": LayerSpec(acts_in_training("rate", "noise_shape"), mask=KEEPS),
    "Embedding": LayerSpec(embedding, mask=CREATES),
    "GaussianDropout": LayerSpec(acts_in_training("rate"), mask=KEEPS),
    "GaussianNoise": LayerSpec(acts_in_training("stddev"), mask=KEEPS),
    "Identity": LayerSpec(acts_in_training(), mask=KEEPS),
    "Masking": LayerSpec(masking, mask=CREATES),
    "PReLU": LayerSpec(prelu, mask=KEEPS),
    "SpatialDropout1D": LayerSpec(acts_in_training("rate", "noise_shape"), mask=KEEPS),
}
