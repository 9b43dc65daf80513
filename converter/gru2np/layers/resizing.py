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
# Between the steps of TensorFlow's table of a cubic's values, backends differ.
MOST_BICUBIC = 512
WHOLE = ("area", "bicubic", *INTERPOLATIONS)


def up_sampling(rank: int) -> Callable[[Config], Layer]:
    """UpSampling over so many spatial axes; ``interpolation`` is for two."""

    def convert(config: Config) -> Layer:
        size = config.integers("size", 2, length=rank)
        order = data_format(config)
        interpolation = "nearest"
        if rank == 2:
            interpolation = config.choice("interpolation", WHOLE, "nearest")
        # A box around a step of the result is within one step of the input.
        if interpolation in ("nearest", "area"):
            return config.build(runtime.UpSampling, size=size, data_format=order)
        if interpolation == "bicubic" and any(
            n & (n - 1) or n > MOST_BICUBIC for n in size
        ):
            config.refuse(
                "bicubic interpolation by a factor that is no power of 2 differs from "
                "backend to backend",
                "size",
                [*size],
            )
        _check_type(config, interpolation)
        return config.build(
            runtime.Resizing,
            factors=size,
            interpolation=interpolation,
            data_format=order,
        )

    return convert


def resizing(config: Config) -> Layer:
    """Resizing; how it cuts or fills up to keep proportions is not supported."""
    for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if config.boolean(option, False):
            config.refuse("the option is not supported", option, True)
    # What would fill up.
    config.value("fill_mode", None)
    config.value("fill_value", None)
    interpolation = config.choice("interpolation", INTERPOLATIONS, "bilinear")
    _check_type(config, interpolation)
    return config.build(
        runtime.Resizing,
        sizes=[config.integer("height"), config.integer("width")],
        interpolation=interpolation,
        data_format=data_format(config),
    )


def _check_type(config: Config, interpolation: str) -> None:
    if interpolation != "nearest" and config.dtype() == "float64":
        config.refuse(
            "TensorFlow interpolates in float32 even where a model is float64",
            "interpolation",
            interpolation,
        )


def _of_way(layer: Any) -> AcceptedDtypes:
    return KEPT_NUMBERS if isinstance(layer, runtime.Resizing) else ANY


LAYERS = {
    "Resizing": LayerSpec(
        resizing,
        MOVES,
        uses_mask=False,
        # Keras 3.15 writes training=true into its calls, and means nothing by it.
        call=CallRule(ORDINARY, (), ("training",), takes_masks=False),
        weights=None,
        dtypes=ANY,
    ),
    **{
        f"UpSampling{rank}D": unmasked(up_sampling(rank), MOVES, None, _of_way)
        for rank in (1, 2, 3)
    },
}
