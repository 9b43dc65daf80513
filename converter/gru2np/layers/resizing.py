"""Converts UpSampling and Resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.convolutional import data_format
from gru2np.layers.dtype_rules import ANY, KEPT_NUMBERS
from gru2np.layers.mask_rules import MOVES
from gru2np.layers.spec import ORDINARY, CallRule, LayerSpec, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.dtype_rules import AcceptedDtypes
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

INTERPOLATIONS = (
    "nearest",
    "bilinear",
    "bilinear_from_corner",
    "lanczos3",
    "lanczos5",
    "mitchellcubic",
)
# The steps of TensorFlow's table of cubics; between them backends differ.
MOST_BICUBIC = 512
WHOLE = ("area", "bicubic", *INTERPOLATIONS)


def up_sampling(rank: int) -> Callable[[Config], Layer]:
    """UpSampling over ``rank`` spatial axes; ``interpolation`` is for two."""

    def convert(config: Config) -> Layer:
        size = config.integers("size", 2, length=rank)
        order = data_format(config)
        interpolation = "nearest"
        if rank == 2:
            interpolation = config.choice("interpolation", WHOLE, "nearest")
        # With ``area``, the box of an output step is within one input step.
        if interpolation in ("nearest", "area"):
            return config.build(runtime.UpSampling, size=size, data_format=order)
        if interpolation == "bicubic" and any(
            n & (n - 1) or n > MOST_BICUBIC for n in size
        ):
            config.refuse(
                "bicubic interpolation by a factor that is not a power of 2 differs "
                "between backends",
                "size",
                [*size],
            )
        _check_dtype(config, interpolation)
        return config.build(
            runtime.Resizing,
            factors=size,
            interpolation=interpolation,
            data_format=order,
        )

    return convert


def resizing(config: Config) -> Layer:
    """Resizing; cropping and padding to keep the aspect ratio are not supported."""
    for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if config.boolean(option, False):
            config.refuse("the option is not supported", option, True)
    # Options of the padding.
    config.value("fill_mode", None)
    config.value("fill_value", None)
    interpolation = config.choice("interpolation", INTERPOLATIONS, "bilinear")
    _check_dtype(config, interpolation)
    return config.build(
        runtime.Resizing,
        sizes=[config.integer("height"), config.integer("width")],
        interpolation=interpolation,
        data_format=data_format(config),
    )


def _check_dtype(config: Config, interpolation: str) -> None:
    if interpolation != "nearest" and config.dtype() == "float64":
        config.refuse(
            "TensorFlow interpolates in float32 even in float64 models",
            "interpolation",
            interpolation,
        )


def _of_interpolation(layer: Any) -> AcceptedDtypes:
    return KEPT_NUMBERS if isinstance(layer, runtime.Resizing) else ANY


LAYERS = {
    "Resizing": LayerSpec(
        resizing,
        MOVES,
        uses_mask=False,
        # Keras 3.15 writes training=true into its calls, which changes nothing.
        call=CallRule(
            ORDINARY, (), ("training",), takes_masks=False, masked_second=False
        ),
        weights=None,
        dtypes=ANY,
    ),
    **{
        f"UpSampling{rank}D": unmasked(
            up_sampling(rank), MOVES, None, _of_interpolation
        )
        for rank in (1, 2, 3)
    },
}
