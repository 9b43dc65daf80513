"""Converts convolution; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime.layers import Conv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def conv(rank: int) -> Callable[[Config], Layer]:
    """A convolution over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        full = ("full",) if config.meaning.windows.full_padding else ()
        choices = ("valid", "same", "causal", *full)
        padding = config.choice("padding", choices, "valid")
        return config.build(
            Conv,
            filters=config.integer("filters"),
            groups=config.integer("groups", 1),
            **window(config, padding, rank),
            **ending(config),
        )

    return convert


def window(config: Config, padding: str, rank: int) -> dict[str, Any]:
    """Options of a kernel that slides over ``rank`` spatial axes."""
    options = kernel(config, padding, rank)
    sizes = options["kernel_size"]
    check_window(config, padding, sizes, options["strides"])
    return {**options, "before": before(config, padding, sizes, options["dilation"])}


def kernel(config: Config, padding: str, rank: int) -> dict[str, Any]:
    """Options of a kernel over ``rank`` spatial axes, of convolutions of any kind."""
    dilation = config.integers("dilation_rate", 1, length=rank)
    check_backend(config, padding, dilation, rank)
    return {
        "kernel_size": config.integers("kernel_size", length=rank),
        "strides": config.integers("strides", 1, length=rank),
        "dilation": dilation,
        "padding": padding,
        "data_format": data_format(config),
    }


def check_tensorflow(config: Config, kind: str, groups: str) -> None:
    """Refuse a kind of convolution that is not known to work as in TensorFlow.

    Args:
        config: of the layer.
        kind: of convolution, in words.
        groups: why it has no groups.
    """
    if not config.meaning.windows.other_convolutions:
        config.refuse(f"{kind} convolutions of Theano are not supported")
    if config.integer("groups", 1) != 1:
        config.refuse(groups, "groups")


def check_backend(
    config: Config, padding: str, dilation: Sequence[int] = (), rank: int = 1
) -> None:
    """Refuse windows of CNTK, and of Keras 1 with an unknown backend.

    Measured on CNTK 2.7: padding depends on the length, and dilation is ignored.
    """
    if config.meaning.windows.same_padding == "unclear" and (
        padding != "valid" or rank > 1 or any(gap > 1 for gap in dilation)
    ):
        config.refuse(
            "the position of such windows depends on the backend: this model was saved "
            "on CNTK, or on an unknown backend"
        )


def before(
    config: Config, padding: str, kernel_size: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """The padding before the first step with ``same`` on Theano; else empty."""
    if padding != "same" or config.meaning.windows.same_padding != "half":
        return []
    reach = zip(kernel_size, dilation, strict=True)
    return [((size - 1) * gap + 1) // 2 for size, gap in reach]


def check_window(
    config: Config, padding: str, sizes: Sequence[int], strides: Sequence[int]
) -> None:
    """Refuse ``same`` over three axes with strides that skip steps.

    Measured on TensorFlow 2.10 and 2.21: if strides skip two or more steps, some of its
    CPU kernels for volumes start in the middle of the skipped steps, others at the
    first step, and the file does not say which one ran.
    """
    gaps = any(step >= size + 2 for size, step in zip(sizes, strides, strict=True))
    if len(sizes) == 3 and padding == "same" and gaps:
        config.refuse(
            "with padding same, the start of windows over three axes depends on the "
            "machine if strides are larger than windows by 2 or more",
            "strides",
            [*strides],
        )


def ending(config: Config) -> dict[str, Any]:
    """Options of the steps after the product with a kernel."""
    return {
        "activation": config.activation("activation"),
        "use_bias": config.boolean("use_bias", True),
    }


def data_format(config: Config) -> str:
    """``channels_last`` or ``channels_first``."""
    formats = ("channels_last", "channels_first")
    return config.choice("data_format", formats, "channels_last")


LAYERS = {
    f"Conv{rank}D": unmasked(conv(rank), MEASURED, IN_LAYER, FLOATS)
    for rank in (1, 2, 3)
}
