"""Spelling of convolution; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers._spec import LayerSpec
from gru2np_runtime.layers import Conv

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer


def conv(rank: int) -> Callable[[Config], Layer]:
    """A convolution over so many spatial axes."""

    def convert(config: Config) -> Layer:
        return config.build(
            Conv,
            filters=config.integer("filters"),
            kernel_size=config.integers("kernel_size", length=rank),
            strides=config.integers("strides", 1, length=rank),
            dilation=config.integers("dilation_rate", 1, length=rank),
            padding=config.choice("padding", ("valid", "same", "causal"), "valid"),
            groups=config.integer("groups", 1),
            data_format=config.choice(
                "data_format", ("channels_last", "channels_first"), "channels_last"
            ),
            activation=config.activation("activation"),
            use_bias=config.boolean("use_bias", True),
        )

    return convert


LAYERS = {"Conv1D": LayerSpec(conv(1))}
