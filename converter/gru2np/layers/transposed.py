"""Converts transposed convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.convolutional import check_tensorflow, ending, kernel
from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime.layers import ConvTranspose

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def conv_transpose(rank: int) -> Callable[[Config], Layer]:
    """A transposed convolution over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        padding = config.choice("padding", ("valid", "same"), "valid")
        groups = "Keras has no transposed convolution with groups"
        check_tensorflow(config, "transposed", groups)
        output_padding: tuple[int, ...] = ()
        if config.value("output_padding", None) is not None:
            output_padding = config.integers("output_padding", length=rank, minimum=0)
        return config.build(
            ConvTranspose,
            filters=config.integer("filters"),
            output_padding=output_padding,
            **kernel(config, padding, rank),
            **ending(config),
        )

    return convert


LAYERS = {
    f"Conv{rank}DTranspose": unmasked(conv_transpose(rank), MEASURED, IN_LAYER, FLOATS)
    for rank in (1, 2, 3)
}
