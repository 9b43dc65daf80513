"""Converts the small ``keras.ops`` nodes, with which Keras 3 computes masks.

And layers of image augmentation, which only cast in inference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import axes, axis, build, number_type, tensors
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import CASTS, IDLES, MEASURED, STOPS
from gru2np.layers.spec import HALF, operation, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


LOGIC: dict[str, type[Layer]] = {
    "LogicalAnd": runtime.LogicalAnd,
    "LogicalOr": runtime.LogicalOr,
}
FILLED: dict[str, type[Layer]] = {
    "OnesLike": runtime.OnesLike,
    "ZerosLike": runtime.ZerosLike,
}
# Layers that change an image in training only.
RANDOM = {
    "RandomBrightness": ("factor", "value_range"),
    "RandomContrast": ("factor", "value_range"),
    "RandomFlip": ("mode",),
    "RandomRotation": ("factor", "fill_mode", "fill_value", "interpolation"),
    "RandomTranslation": (
        *("height_factor", "width_factor"),
        *("fill_mode", "fill_value", "interpolation"),
    ),
    "RandomZoom": (
        *("height_factor", "width_factor"),
        *("fill_mode", "fill_value", "interpolation"),
    ),
}


def filled(config: Config) -> Layer:
    """OnesLike and ZerosLike; the default of ``dtype`` is that of the input."""
    tensors(config, 1)
    return build(config, FILLED[config.operation], number=number_type(config))


def broadcast_to(config: Config) -> Layer:
    """BroadcastTo a shape, which the runtime checks."""
    tensors(config, 1)
    return build(config, runtime.BroadcastTo, shape=config.value("shape"))


def cast(config: Config) -> Layer:
    """Cast to a dtype; half precision rounds, and the output is float32."""
    tensors(config, 1)
    number = config.value("dtype", None)
    if number not in HALF:
        number = number_type(config)
    if not number:
        config.refuse("the option is missing in the file", "dtype")
    return build(config, runtime.Cast, number=number)


def any_(config: Config) -> Layer:
    """Any over axes other than the batch axis."""
    tensors(config, 1)
    keepdims = config.boolean("keepdims", False)
    return build(config, runtime.Any, axes=axes(config), keepdims=keepdims)


def expand_dims(config: Config) -> Layer:
    """ExpandDims by one axis after the batch axis."""
    tensors(config, 1)
    return build(config, runtime.ExpandDims, axis=axis(config))


def logic(config: Config) -> Layer:
    """LogicalAnd and LogicalOr of two tensors."""
    tensors(config, 2)
    return build(config, LOGIC[config.operation])


def augmentation(*options: str) -> Callable[[Config], Layer]:
    """A layer that only casts an image to its dtype in inference."""

    def convert(config: Config) -> Layer:
        for option in ("data_format", "bounding_box_format", "rng_type", *options):
            config.value(option, None)
        return config.build(runtime.Cast, number=config.dtype())

    return convert


LAYERS = {
    "ops.Any": operation(any_, STOPS),
    "ops.BroadcastTo": operation(broadcast_to, IDLES),
    "ops.Cast": operation(cast, CASTS),
    "ops.ExpandDims": operation(expand_dims, STOPS),
    **{f"ops.{name}": operation(logic, STOPS) for name in LOGIC},
    **{f"ops.{name}": operation(filled, STOPS) for name in FILLED},
    **{
        name: unmasked(augmentation(*options), MEASURED, None, UNCHECKED)
        for name, options in RANDOM.items()
    },
}
