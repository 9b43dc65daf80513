"""Spelling of normalisation; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers._spec import KEEPS, LayerSpec
from gru2np_runtime.layers import BatchNormalization, LayerNormalization

if TYPE_CHECKING:
    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer


def batch_normalization(config: Config) -> Layer:
    """BatchNormalization; ``momentum`` and ``renorm_*`` act in training."""
    axis = config.value("axis", -1)
    return config.build(
        BatchNormalization,
        # TensorFlow's Keras 2 writes a list of one.
        axis=axis[0] if isinstance(axis, list) and len(axis) == 1 else axis,
        **_options(config),
    )


def layer_normalization(config: Config) -> Layer:
    """LayerNormalization."""
    axis = config.value("axis", -1)
    return config.build(
        LayerNormalization,
        axes=axis if isinstance(axis, list) else [axis],
        rms_scaling=config.boolean("rms_scaling", False),
        **_options(config),
    )


def _options(config: Config) -> dict[str, Any]:
    return {
        "epsilon": config.number("epsilon", 1e-3),
        "scale": config.boolean("scale", True),
        "center": config.boolean("center", True),
    }


LAYERS = {
    "BatchNormalization": LayerSpec(
        batch_normalization,
        mask=KEEPS,
        non_trainable=frozenset({"moving_mean", "moving_variance"}),
    ),
    "LayerNormalization": LayerSpec(layer_normalization, mask=KEEPS),
}
