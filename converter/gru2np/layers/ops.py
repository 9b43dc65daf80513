"""Spelling of the ``keras.ops`` nodes that Keras 3 computes masks with.

What such a node was built with is in its config, what it was called with in its call;
a node of ``keras.ops`` is called once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers._spec import LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer

# Half precision computes in float32, here as in layers.
NUMBERS = {"bool": "bool", "float16": "float32", "bfloat16": "float32"}
NUMBERS.update({name: name for name in ("float32", "float64", "uint8", "int8")})
NUMBERS.update({name: name for name in ("int16", "int32", "int64", "uint16")})


def not_equal(config: Config) -> Layer:
    """NotEqual of a tensor and a constant, in any order."""
    value = _constant(config)
    if not isinstance(value, (int, float)):
        config.refuse("expected a number to compare with", value=value)
    return _build(config, runtime.NotEqual, value=float(value))


def any_(config: Config) -> Layer:
    """Any."""
    _tensors(config, 1)
    axis = config.value("axis")
    return _build(
        config,
        runtime.Any,
        axes=axis if isinstance(axis, list) else [axis],
        keepdims=config.boolean("keepdims", False),
    )


def logical_and(config: Config) -> Layer:
    """LogicalAnd of two tensors."""
    _tensors(config, 2)
    return _build(config, runtime.LogicalAnd)


def logical_or(config: Config) -> Layer:
    """LogicalOr of two tensors."""
    _tensors(config, 2)
    return _build(config, runtime.LogicalOr)


def expand_dims(config: Config) -> Layer:
    """ExpandDims."""
    _tensors(config, 1)
    axis = config.integer("axis", minimum=-32)
    return _build(config, runtime.ExpandDims, axis=axis)


def zeros_like(config: Config) -> Layer:
    """ZerosLike; without ``dtype``, the input's own."""
    _tensors(config, 1)
    return _build(config, runtime.ZerosLike, number=_number(config))


def ones_like(config: Config) -> Layer:
    """OnesLike; without ``dtype``, the input's own."""
    _tensors(config, 1)
    return _build(config, runtime.OnesLike, number=_number(config))


def broadcast_to(config: Config) -> Layer:
    """BroadcastTo."""
    _tensors(config, 1)
    return _build(config, runtime.BroadcastTo, shape=config.value("shape"))


def cast(config: Config) -> Layer:
    """Cast."""
    _tensors(config, 1)
    number = _number(config)
    if not number:
        config.refuse("the option is missing in the file", "dtype")
    return _build(config, runtime.Cast, number=number)


def concatenate(config: Config) -> Layer:
    """Concatenate of a list of tensors."""
    _tensors(config, None)
    axis = config.integer("axis", -1, minimum=-32)
    return _build(config, runtime.Concatenate, axis=axis)


def _build(config: Config, kind: type[Layer], **attributes: Any) -> Layer:
    """The runtime layer; ``dtype`` of a node is no policy to compute in."""
    config.finish()
    try:
        return kind(**attributes)
    except (TypeError, ValueError) as error:
        config.refuse(str(error))


def _tensors(config: Config, count: int | None) -> None:
    """Refuse a call with anything but so many tensors."""
    calls = config.layer.calls
    for call in calls:
        if call.constants:
            position, value = call.constants[0]
            config.refuse(f"expected a tensor as argument {position}", value=value)
        if count is not None and len(call.inputs) != count:
            config.refuse(f"expected {count} tensors, got {len(call.inputs)}")
        for keyword, value in call.keywords.items():
            config.refuse("an argument that is not expected", keyword, value)


def _constant(config: Config) -> Any:
    """The one argument that is no tensor, beside the one that is."""
    calls = config.layer.calls
    if len(calls) != 1 or len(calls[0].inputs) != 1 or len(calls[0].constants) != 1:
        config.refuse("expected one call with a tensor and a number")
    for keyword, value in calls[0].keywords.items():
        config.refuse("an argument that is not expected", keyword, value)
    return calls[0].constants[0][1]


def _number(config: Config) -> str:
    value = config.value("dtype", None)
    if value is None:
        return ""
    if not isinstance(value, str) or value not in NUMBERS:
        config.refuse("expected the name of a number type", "dtype", value)
    return NUMBERS[value]


LAYERS = {
    "ops.Any": LayerSpec(any_),
    "ops.BroadcastTo": LayerSpec(broadcast_to),
    "ops.Cast": LayerSpec(cast),
    "ops.Concatenate": LayerSpec(concatenate),
    "ops.ExpandDims": LayerSpec(expand_dims),
    "ops.LogicalAnd": LayerSpec(logical_and),
    "ops.LogicalOr": LayerSpec(logical_or),
    "ops.NotEqual": LayerSpec(not_equal),
    "ops.OnesLike": LayerSpec(ones_like),
    "ops.ZerosLike": LayerSpec(zeros_like),
}
