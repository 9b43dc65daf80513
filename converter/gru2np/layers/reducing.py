"""Converts ``keras.ops`` nodes that reduce axes, and matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import axes, build, tensors
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
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
    """Matmul of two tensors."""
    tensors(config, 2)
    return build(
        config,
        runtime.Matmul,
        transpose_first=config.boolean("transpose_a", False),
        transpose_second=config.boolean("transpose_b", False),
    )


LAYERS = {
    **{f"ops.{name}": operation(reduction, STOPS) for name in REDUCTIONS},
    "ops.Matmul": operation(matmul, STOPS),
}
