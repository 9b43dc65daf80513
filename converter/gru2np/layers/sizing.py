"""Converts nodes whose shapes a model computes from the sizes of tensors, and Tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.generations.records import is_integer
from gru2np.layers.arguments import (
    NOT_HERE,
    build,
    has_computed,
    number_type,
    operands,
    sizes,
    tensors,
)
from gru2np.layers.mask_rules import IDLES, MAY_IDLE, STOPS
from gru2np.layers.spec import HALF, operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def tile(config: Config) -> Layer:
    """Tile by numbers, or by sizes of tensors."""
    repeats = config.value("repeats")
    if not has_computed(repeats):
        tensors(config, 1)
    counts = sizes(config, "repeats", repeats)
    if counts[:1] != [(1,)]:
        config.refuse(
            f"{NOT_HERE}: along the batch axis, so that rows would be added; give 1 "
            "for the batch axis, then a number for each other axis",
            "repeats",
        )
    return build(config, runtime.Tile, sizes=counts)


def broadcast(config: Config) -> Layer:
    """BroadcastTo a computed shape."""
    shape = config.value("shape")
    return build(config, runtime.Spread, sizes=sizes(config, "shape", shape))


def reshape(config: Config) -> Layer:
    """Reshape to a computed shape."""
    shape = config.value("newshape")
    return build(config, runtime.Shaped, sizes=sizes(config, "newshape", shape))


def full(config: Config) -> Layer:
    """Zeros, Ones and Fill of a computed shape."""
    shape = config.value("shape")
    dtype = config.value("dtype", None)
    if dtype in HALF:
        config.refuse("half precision; cast it after", "dtype", dtype)
    value = config.value("value")
    whole = is_integer(value) and dtype is None
    return build(
        config,
        runtime.Full,
        sizes=sizes(config, "shape", shape),
        value=config.number("value"),
        number=number_type(config) or ("int32" if whole else "float32"),
    )


def size_of(config: Config) -> Layer:
    """The size of an axis, which the model computes with."""
    tensors(config, 1)
    number = config.choice("out_type", ("int32", "int64"), "int32")
    return build(config, runtime.SizeOf, axis=config.value("axis"), number=number)


def counting(config: Config) -> Layer:
    """Range of TensorFlow from 0 to a number that the model computes."""
    if operands(config) or "axis" not in config.layer.config:
        config.refuse(
            f"{NOT_HERE}: a range to anything but tf.shape(x)[axis]; write the numbers"
        )
    number = config.choice("out_type", ("int32", "int64"), "int32")
    return build(config, runtime.Counting, axis=config.value("axis"), number=number)


LAYERS = {
    "ops.ComputedBroadcast": operation(broadcast, IDLES),
    "ops.ComputedReshape": operation(reshape, IDLES),
    "ops.Counting": operation(counting, STOPS),
    "ops.FullOf": operation(full, STOPS),
    "ops.SizeOf": operation(size_of, STOPS),
    "ops.Tile": operation(tile, MAY_IDLE),
}
