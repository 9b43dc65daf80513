"""Converts depthwise and separable convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.convolutional import check_tensorflow, ending, window
from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def depthwise(rank: int) -> Callable[[Config], Layer]:
    """A depthwise convolution over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        # Some versions write it too; it follows from the multiplier.
        config.value("filters", None)
        options = _options(config, rank, ("valid", "same"))
        return config.build(runtime.DepthwiseConv, **options)

    return convert


def separable(rank: int) -> Callable[[Config], Layer]:
    """A separable convolution over ``rank`` spatial axes."""
    paddings = ("valid", "same", "causal") if rank == 1 else ("valid", "same")

    def convert(config: Config) -> Layer:
        options = _options(config, rank, paddings)
        filters = config.integer("filters")
        return config.build(runtime.SeparableConv, filters=filters, **options)

    return convert


def _options(config: Config, rank: int, paddings: tuple[str, ...]) -> dict[str, Any]:
    for kernel in ("depthwise", "pointwise"):
        for option in ("initializer", "regularizer", "constraint"):
            # They act in training only.
            config.value(f"{kernel}_{option}", None)
    groups = "every channel is already a group"
    check_tensorflow(config, "depthwise and separable", groups)
    return {
        "depth_multiplier": config.integer("depth_multiplier", 1),
        **window(config, config.choice("padding", paddings, "valid"), rank),
        **ending(config),
    }


LAYERS = {
    **{
        f"DepthwiseConv{rank}D": unmasked(depthwise(rank), MEASURED, IN_LAYER, FLOATS)
        for rank in (1, 2)
    },
    **{
        f"SeparableConv{rank}D": unmasked(separable(rank), MEASURED, IN_LAYER, FLOATS)
        for rank in (1, 2)
    },
}
