"""Converts ``keras.ops`` nodes that slice, join, split and transpose tensors."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from gru2np.layers.arguments import (
    axes,
    axis,
    build,
    operands,
    tensors,
)
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import IDLES, STOPS, Idles
from gru2np.layers.spec import RESHAPES, CallRule, LayerSpec, operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

BATCH = "a slice that leaves the batch whole, as x[:, ...] does"


def get_item(config: Config) -> Layer:
    """GetItem with indices, slices, new axes and an ellipsis."""
    constants = operands(config)
    if len(constants) != 1 or constants[0][0] != 1:
        config.refuse("expected a tensor and a key of numbers and slices")
    key = constants[0][1]
    items = [_item(config, item) for item in (key if isinstance(key, list) else [key])]
    if len(items) == 1 and len(items[0]) == 1 and items[0][0] is not None:
        # The graph refuses it for a tensor whose axis 0 is the batch.
        return build(config, runtime.FirstItem, index=items[0][0])
    if not items or items[0] not in ([None], [None] * 3, [None, None, 1]):
        config.refuse(f"expected {BATCH}", "key", key)
    return build(config, runtime.GetItem, items=items)


def _item(config: Config, item: Any) -> list[int | None]:
    """An index, a slice, a new axis or an ellipsis, in the runtime's form."""
    if item is None:
        return []
    if isinstance(item, dict) and item.get("class_name") == "__ellipsis__":
        return [None]
    values = [item]
    if isinstance(item, dict) and item.get("class_name") == "__slice__":
        ends = item.get("config")
        if isinstance(ends, dict) and set(ends) <= {"start", "stop", "step"}:
            values = [ends.get(key) for key in ("start", "stop", "step")]
    for value in values:
        whole = type(value) is int and -(2**31) < value < 2**31
        if not whole and not (value is None and len(values) == 3):
            config.refuse("expected an index or a slice of numbers", "key", item)
    return values


def squeeze(config: Config) -> Layer:
    """Squeeze of named axes."""
    tensors(config, 1)
    return build(config, runtime.Squeeze, axes=axes(config))


def reshape(config: Config) -> Layer:
    """Reshape that keeps the batch axis, written as -1 or null."""
    shape = config.value("newshape")
    tensors(config, 1)
    if not isinstance(shape, list) or not shape or shape[0] not in (-1, None):
        config.refuse(
            "expected a shape whose first size is -1, the batch", "newshape", shape
        )
    if shape.count(-1) > 1:
        config.refuse(
            "expected one -1 at most, got more than one -1", "newshape", shape
        )
    target = [-1 if size is None else size for size in shape[1:]]
    return build(config, runtime.Reshaped, target_shape=target)


def transpose(config: Config) -> Layer:
    """Transpose, which may move the batch axis."""
    tensors(config, 1)
    order = config.value("axes")
    if not isinstance(order, list) or not order:
        config.refuse(
            "expected the axes in their new order; write them all", "axes", order
        )
    rank = len(order)
    if not all(type(i) is int and -rank <= i < rank for i in order):
        config.refuse("expected every axis once", "axes", order)
    order = [i % rank for i in order]
    if order[0] != 0:
        return build(config, runtime.Turned, order=order)
    return build(config, runtime.Transpose, dims=order[1:])


def concatenate(config: Config) -> Layer:
    """Concatenate of a list of tensors."""
    tensors(config, None)
    return build(config, runtime.Joined, axis=axis(config, -1))


def stack(config: Config) -> Layer:
    """Stack of a list of tensors."""
    tensors(config, None)
    return build(config, runtime.Stack, axis=axis(config))


def split(config: Config) -> Layer:
    """Split into equal pieces, at indices, or into pieces of certain sizes."""
    tensors(config, 1)
    given = config.value("sizes", None)
    pieces = config.value("indices_or_sections", None) if given is None else given
    items = pieces if isinstance(pieces, list) else [pieces]
    if not all(type(n) is int and 0 < n < 2**31 for n in items) or not items:
        config.refuse("expected positive numbers", "indices_or_sections", pieces)
    if not isinstance(pieces, list):
        return build(config, runtime.Split, axis=axis(config), sections=pieces)
    bounds = pieces if given is None else list(accumulate(pieces))[:-1]
    if not bounds:
        return build(config, runtime.Split, axis=axis(config), sections=1)
    return build(config, runtime.Split, axis=axis(config), bounds=bounds)


def unstack(config: Config) -> Layer:
    """Unstack: one output for every index of an axis."""
    tensors(config, 1)
    config.value("num", None)
    return build(config, runtime.Split, axis=axis(config), squeeze=True)


def _leaves_out(layer: Layer) -> bool:
    """Whether a slice drops or reorders items of an axis, whatever its size."""
    if isinstance(layer, runtime.FirstItem):
        return True
    assert isinstance(layer, runtime.GetItem)
    for item in layer.items:
        if len(item) != 3:
            # An index, or a new axis; an ellipsis is neither.
            if item != (None,):
                return True
            continue
        start, stop, step = item
        ends = (start or 0) > 0 or (stop is not None and stop < 0)
        if ends or step not in (None, 1):
            return True
    return False


def _reorders(layer: Layer) -> bool:
    if isinstance(layer, runtime.Turned):
        return True
    assert isinstance(layer, runtime.Transpose)
    return list(layer.dims) != sorted(layer.dims)


LAYERS = {
    "ops.Concatenate": operation(concatenate, IDLES),
    "ops.GetItem": operation(get_item, Idles(_leaves_out, casts=False)),
    "ops.Reshape": LayerSpec(
        reshape, IDLES, False, CallRule(RESHAPES, (), (), False, False), None, UNCHECKED
    ),
    "ops.Split": operation(split, STOPS),
    "ops.Squeeze": operation(squeeze, STOPS),
    "ops.Stack": operation(stack, STOPS),
    "ops.Transpose": operation(transpose, Idles(_reorders, casts=False)),
    "ops.Unstack": operation(unstack, STOPS),
}
