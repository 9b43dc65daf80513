"""Converts ``keras.ops`` nodes that reduce axes, and matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.layers.arguments import (
    NOT_HERE,
    axes,
    build,
    constant,
    operands,
    tensors,
)
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import ON_INPUTS, SQUEEZES, operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

REDUCTIONS = {
    "All": "all",
    "Amax": "max",
    "Amin": "min",
    "Logsumexp": "logsumexp",
    "Max": "max",
    "Mean": "mean",
    "Median": "median",
    "Min": "min",
    "Prod": "prod",
    "Std": "std",
    "Sum": "sum",
    "Var": "var",
}


def reduction(config: Config) -> Layer:
    """A function that reduces axes other than the batch axis."""
    tensors(config, 1)
    for key in ("dtype", "initial"):
        if config.value(key, None) is not None:
            config.refuse("not supported; leave it out", key, config.value(key))
    return build(
        config,
        runtime.Reduction,
        function=REDUCTIONS[config.operation],
        axes=axes(config),
        keepdims=config.boolean("keepdims", False),
    )


def matmul(config: Config) -> Layer:
    """Matmul of two tensors, or of a tensor and a constant matrix."""
    constants = operands(config)
    if len(constants) == 1 and constants[0][0] == 1:
        return _matmul_by(config, constant(config, constants[0][1]))
    tensors(config, 2)
    return build(
        config,
        runtime.Matmul,
        transpose_first=config.boolean("transpose_a", False),
        transpose_second=config.boolean("transpose_b", False),
    )


def _matmul_by(config: Config, numbers: dict[str, Any]) -> Layer:
    """Matmul with a constant matrix, the same for all samples."""
    if len(numbers["constant_shape"]) != 2:
        config.refuse(
            f"{NOT_HERE}: a product with a constant that is no matrix",
            value=numbers["constant_shape"],
        )
    if config.boolean("transpose_a", False):
        config.refuse(
            f"{NOT_HERE}: a transposed tensor with a constant; transpose it before",
            "transpose_a",
            True,
        )
    rows = 1 if config.boolean("transpose_b", False) else 0
    return build(
        config,
        runtime.Contraction,
        axes=[-1],
        constant_axes=[rows],
        constant=numbers["constant"],
        constant_shape=numbers["constant_shape"],
    )


LAYERS = {
    **{f"ops.{name}": operation(reduction, STOPS) for name in REDUCTIONS},
    "ops.Logsumexp": replace(
        operation(reduction, STOPS), call=replace(ON_INPUTS, kind=SQUEEZES)
    ),
    "ops.Matmul": operation(matmul, STOPS),
}
