"""Converts nodes on the order of elements, and sums and products up to each one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import NOT_HERE, axis, build, flag, tensors
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import EXTREME, TWO_KINDS, CallRule, LayerSpec, operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

UNMEASURED = (
    "this Keras ran on a backend on which ties and NaN were not measured; save the "
    "model with TensorFlow or JAX"
)


def extreme(config: Config) -> Layer:
    """Argmax and Argmin; those of tf.keras are int64 unless told."""
    tensors(config, 1)
    rules = config.meaning.numbers
    if rules.argmax_skips_nan is None:
        config.refuse(UNMEASURED)
    return build(
        config,
        runtime.ArgExtreme,
        function=config.operation.lower(),
        axis=axis(config, None),
        keepdims=config.boolean("keepdims", False),
        signs_zeros=rules.argmax_signs_zeros,
        skips_nan=rules.argmax_skips_nan,
        # The graph clears it where the input comes from no such function.
        refuses_ties=rules.argmax_skips_nan and not rules.argmax_signs_zeros,
        number=config.choice("output_type", ("int32", "int64"), "int32"),
    )


def ordered(config: Config) -> Layer:
    """Sort and Argsort, ascending unless told."""
    tensors(config, 1)
    config.value("stable", None)
    return build(
        config,
        runtime.Ordered,
        function=config.operation.lower(),
        axis=axis(config, -1),
        descending=config.choice("direction", ("ASCENDING", "DESCENDING"), "ASCENDING")
        == "DESCENDING",
    )


def top_k(config: Config) -> Layer:
    """TopK of the last axis; sorted, as Keras does by default."""
    tensors(config, 1)
    rules = config.meaning.numbers
    if rules.top_k_signs_zeros is None:
        config.refuse(UNMEASURED)
    if config.value("sorted", True) is not True:
        config.refuse(
            f"{NOT_HERE}: in no order, which differs between machines; use sorted=True",
            "sorted",
            config.value("sorted"),
        )
    return build(
        config,
        runtime.TopK,
        k=config.integer("k", 1),
        signs_zeros=rules.top_k_signs_zeros,
        number=config.choice("index_type", ("int32", "int64"), "int32"),
    )


def cumulative(config: Config) -> Layer:
    """Cumsum and Cumprod."""
    tensors(config, 1)
    if config.value("dtype", None) is not None:
        config.refuse("not supported; cast it before", "dtype", config.value("dtype"))
    return build(
        config,
        runtime.Cumulative,
        function=config.operation.lower(),
        axis=axis(config, None),
        exclusive=flag(config, "exclusive"),
        reverse=flag(config, "reverse"),
    )


LAYERS = {
    **{
        f"ops.{name}": LayerSpec(
            extreme,
            STOPS,
            False,
            CallRule(EXTREME, (), (), False, False),
            None,
            UNCHECKED,
        )
        for name in ("Argmax", "Argmin")
    },
    "ops.Argsort": operation(ordered, STOPS),
    "ops.Cumprod": operation(cumulative, STOPS),
    "ops.Cumsum": operation(cumulative, STOPS),
    "ops.Sort": operation(ordered, STOPS),
    "ops.TopK": LayerSpec(
        top_k, STOPS, False, CallRule(TWO_KINDS, (), (), False, False), None, UNCHECKED
    ),
}
