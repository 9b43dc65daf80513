"""Converts ``keras.ops`` nodes of one operand, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers import activations
from gru2np.layers.arguments import NOT_HERE, axis, build, tensors
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

UNARY = {
    "Absolute": "absolute",
    "Arccos": "arccos",
    "Arccosh": "arccosh",
    "Arcsin": "arcsin",
    "Arcsinh": "arcsinh",
    "Arctan": "arctan",
    "Arctanh": "arctanh",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Exp2": "exp2",
    "Expm1": "expm1",
    "Floor": "floor",
    "Isfinite": "isfinite",
    "Isinf": "isinf",
    "Isnan": "isnan",
    "Log": "log",
    "Log10": "log10",
    "Log1p": "log1p",
    "Log2": "log2",
    "LogicalNot": "logical_not",
    "Negative": "negative",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Rsqrt": "rsqrt",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Square": "square",
    "StopGradient": "identity",
    "Tan": "tan",
    "Trunc": "trunc",
}
# Activation functions without options: names in ``activations.NAMES`` by class.
NAMED = {
    "HardSigmoid": "hard_sigmoid",
    "Relu": "relu",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
    "Tanh": "tanh",
    "TanhShrink": "tanh_shrink",
}


def unary(config: Config) -> Layer:
    """A function of one tensor."""
    tensors(config, 1)
    name = config.operation
    if name == "Round" and config.value("decimals", 0) != 0:
        config.refuse(
            "only rounding to integers is supported",
            "decimals",
            config.value("decimals"),
        )
    return build(config, runtime.Unary, function=UNARY[name])


def named(config: Config) -> Any:
    """An activation function without options."""
    name = NAMED[config.operation]
    return activations.specification(config, "activation", name)


def elu(config: Config) -> Any:
    """Elu and Celu, with their ``alpha``."""
    name = config.operation.lower()
    return {"function": name, "alpha": config.number("alpha", 1.0)}


def gelu(config: Config) -> Any:
    """Gelu, exact or approximated by tanh."""
    if config.boolean("approximate"):
        return {"function": "gelu", "approximate": True}
    return "gelu"


def softmax(config: Config) -> Any:
    """Softmax and LogSoftmax over one axis, the last by default."""
    name = "softmax" if config.operation == "Softmax" else "log_softmax"
    axis = config.value("axis", -1)
    over = -1 if axis is None else config.integer("axis", -1, minimum=-32)
    return {"function": name, "axis": over}


def glu(config: Config) -> Any:
    """Glu, the first half of an axis times the sigmoid of the second."""
    return {"function": "glu", "axis": axis(config, -1)}


def sparsemax(config: Config) -> Any:
    """Sparsemax over one axis."""
    return {"function": "sparsemax", "axis": axis(config, -1)}


def shrink(config: Config) -> Any:
    """SoftShrink and HardShrink, with their threshold."""
    name = {"SoftShrink": "soft_shrink", "HardShrink": "hard_shrink"}[config.operation]
    return {"function": name, "threshold": config.number("threshold", 0.5)}


def threshold(config: Config) -> Any:
    """Threshold: x above the threshold, else a value."""
    return {
        "function": "threshold",
        "threshold": config.number("threshold"),
        "value": config.number("default_value"),
    }


def squareplus(config: Config) -> Any:
    """Squareplus with ``b`` 4, which is Keras' default."""
    if config.value("b", 4) != 4:
        config.refuse(f"{NOT_HERE}: with another b", "b", config.value("b"))
    return "squareplus"


ACTIVATIONS: dict[str, Callable[[Config], Any]] = {
    **dict.fromkeys(NAMED, named),
    "Celu": elu,
    "Elu": elu,
    "Gelu": gelu,
    "Glu": glu,
    "HardShrink": shrink,
    "LeakyRelu": activations.leaky_relu,
    "LogSoftmax": softmax,
    "ReLU": activations.relu,
    "SoftShrink": shrink,
    "Softmax": softmax,
    "Sparsemax": sparsemax,
    "Squareplus": squareplus,
    "Threshold": threshold,
}


def activated(config: Config) -> Layer:
    """An activation function as an operation."""
    tensors(config, 1)
    name = config.operation
    return build(config, runtime.Activated, function=ACTIVATIONS[name](config))


def clip(config: Config) -> Layer:
    """Clip between two numbers."""
    tensors(config, 1)
    lower, upper = config.number("x_min"), config.number("x_max")
    return build(config, runtime.Clip, lower=lower, upper=upper)


LAYERS = {
    **{f"ops.{name}": operation(unary, STOPS) for name in UNARY},
    **{f"ops.{name}": operation(activated, STOPS) for name in ACTIVATIONS},
    "ops.Clip": operation(clip, STOPS),
}
