"""Spelling of pooling; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers._spec import LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer


def pooling(kind: type[Layer], rank: int) -> Callable[[Config], Layer]:
    """Pooling over windows of so many spatial axes."""

    def convert(config: Config) -> Layer:
        size = config.integers("pool_size", 2, length=rank)
        strides = size
        if config.value("strides", None) is not None:
            strides = config.integers("strides", length=rank)
        return config.build(
            kind,
            pool_size=size,
            strides=strides,
            padding=config.choice("padding", ("valid", "same"), "valid"),
            data_format=_data_format(config),
        )

    return convert


def global_pooling(kind: type[Layer]) -> Callable[[Config], Layer]:
    """Pooling over all steps; ``keepdims`` came with tf.keras 2.6."""

    def convert(config: Config) -> Layer:
        return config.build(
            kind,
            keepdims=config.boolean("keepdims", False),
            data_format=_data_format(config),
        )

    return convert


def _data_format(config: Config) -> str:
    formats = ("channels_last", "channels_first")
    return config.choice("data_format", formats, "channels_last")


LAYERS = {
    "AveragePooling1D": LayerSpec(pooling(runtime.AveragePooling, 1)),
    "GlobalAveragePooling1D": LayerSpec(
        global_pooling(runtime.GlobalAveragePooling), uses_mask=True
    ),
    "GlobalMaxPooling1D": LayerSpec(global_pooling(runtime.GlobalMaxPooling)),
    "MaxPooling1D": LayerSpec(pooling(runtime.MaxPooling, 1)),
}
