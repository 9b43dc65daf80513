"""Converts nodes that pick elements by indices, and OneHot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.arguments import (
    NOT_HERE,
    axis,
    build,
    constant,
    number_type,
    operands,
    tensors,
    whole_number,
)
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def take(config: Config) -> Layer:
    """Take of Keras 3, whose indices below 0 count from the end."""
    constants = operands(config)
    if not constants and _tensor_count(config) == 2:
        config.refuse(
            f"{NOT_HERE}: take with indices that the model computes picks the same for "
            "all samples; use take_along_axis, whose indices are those of each sample"
        )
    return build(
        config, runtime.Take, axis=axis(config, None), from_end=True, **_indices(config)
    )


def gather(config: Config) -> Layer:
    """Gather of TensorFlow: constant indices, or those of each sample."""
    batch_dims = whole_number(config, "batch_dims", config.value("batch_dims", 0))
    over = config.value("axis", None)
    if not operands(config):
        tensors(config, 2)
        if batch_dims < 1:
            config.refuse(
                f"{NOT_HERE}: gather with indices that the model computes and without "
                "batch_dims gives every sample those of all samples; use batch_dims=1",
                "batch_dims",
                batch_dims,
            )
        along = batch_dims if over is None else axis(config)
        return build(config, runtime.Pick, axis=along, shared=batch_dims)
    if batch_dims != 0:
        config.refuse(
            f"{NOT_HERE}: constant indices for each sample", "batch_dims", batch_dims
        )
    return build(config, runtime.Take, axis=axis(config), **_indices(config))


def _tensor_count(config: Config) -> int:
    return sum(len(call.inputs) for call in config.layer.calls)


def _indices(config: Config) -> dict[str, Any]:
    """Constant indices, the second argument."""
    constants = operands(config)
    if len(constants) != 1 or constants[0][0] != 1 or _tensor_count(config) != 1:
        config.refuse("expected a tensor and indices")
    found = constant(config, constants[0][1])
    if not found["constant_kind"].startswith("int"):
        config.refuse("expected indices of an integer dtype", value=constants[0][1])
    return {
        "indices": [int(number) for number in found["constant"]],
        "indices_shape": found["constant_shape"],
    }


def take_along(config: Config) -> Layer:
    """TakeAlongAxis with indices of each sample."""
    tensors(config, 2)
    return build(config, runtime.TakeAlong, axis=axis(config, None))


def one_hot(config: Config) -> Layer:
    """OneHot of Keras 3 and of TensorFlow."""
    tensors(config, 1)
    if config.value("sparse", False) is not False:
        config.refuse(f"{NOT_HERE}: sparse tensors", "sparse", config.value("sparse"))
    on, off = (
        float(default) if config.value(key, None) is None else config.number(key)
        for key, default in (("on_value", 1), ("off_value", 0))
    )
    place = axis(config, -1) if config.value("axis", -1) is not None else -1
    return build(
        config,
        runtime.OneHot,
        depth=config.integer("num_classes"),
        axis=place,
        on=on,
        off=off,
        number=number_type(config) or "float32",
    )


LAYERS = {
    "ops.Gather": operation(gather, STOPS),
    "ops.OneHot": operation(one_hot, STOPS),
    "ops.Take": operation(take, STOPS),
    "ops.TakeAlongAxis": operation(take_along, STOPS),
}
