"""Spelling of reshaping; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers._spec import LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer


def flatten(config: Config) -> Layer:
    """Flatten; ``data_format`` came with Keras 2.2."""
    return config.build(runtime.Flatten, data_format=_data_format(config))


def reshape(config: Config) -> Layer:
    """Reshape."""
    return config.build(runtime.Reshape, target_shape=config.value("target_shape"))


def permute(config: Config) -> Layer:
    """Permute."""
    return config.build(runtime.Permute, dims=config.value("dims"))


def repeat_vector(config: Config) -> Layer:
    """RepeatVector."""
    return config.build(runtime.RepeatVector, n=config.integer("n"))


def zero_padding(config: Config) -> Layer:
    """ZeroPadding1D; one number stands for both ends."""
    return config.build(
        runtime.ZeroPadding,
        padding=[config.integers("padding", 1, length=2, minimum=0)],
        data_format=_data_format(config),
    )


def cropping(config: Config) -> Layer:
    """Cropping1D; one number stands for both ends."""
    ends = config.integers("cropping", 1, length=2, minimum=0)
    return config.build(runtime.Cropping, cropping=[ends])


def up_sampling(config: Config) -> Layer:
    """UpSampling1D."""
    return config.build(runtime.UpSampling, size=config.integers("size", 2, length=1))


def _data_format(config: Config) -> str:
    formats = ("channels_last", "channels_first")
    return config.choice("data_format", formats, "channels_last")


LAYERS = {
    "Cropping1D": LayerSpec(cropping),
    "Flatten": LayerSpec(flatten),
    "Permute": LayerSpec(permute),
    "RepeatVector": LayerSpec(repeat_vector),
    "Reshape": LayerSpec(reshape),
    "UpSampling1D": LayerSpec(up_sampling),
    "ZeroPadding1D": LayerSpec(zero_padding),
}
