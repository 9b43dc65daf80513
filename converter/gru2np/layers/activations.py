"""Converts activation functions: names, objects, and layers that are one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.generations.records import looked_up
from gru2np.generations.training import split
from gru2np.ir import KerasLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config

    # A name, or an object with ``function``, in the runtime's form.
    Specification = str | dict[str, Any]

# Functions with the same name in Keras and in the runtime.
SAME_NAME = (
    *("celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_silu"),
    *("hard_tanh", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "selu"),
    *("sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign"),
    *("sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh"),
    "tanh_shrink",
)


def _in_float32(slope: float) -> float:
    """The slope as TensorFlow's LeakyRelu stores it, in float64 models too."""
    return float(np.float32(slope)) if abs(slope) < 3e38 else slope


# ``hard_sigmoid`` is not here: its slope depends on the model's generation.
NAMES: dict[str, Specification] = {
    **{name: name for name in SAME_NAME},
    "hard_swish": "hard_silu",
    "leaky_relu": {"function": "relu", "negative_slope": _in_float32(0.2)},
    "log_softmax_v2": "log_softmax",
    "relu6": {"function": "relu", "max_value": 6.0},
    "softmax_v2": "softmax",
    "swish": "silu",
}

# Modules of Keras' functions in files.
MODULES = (None, "builtins", "keras.activations", "tf_keras.activations")


def specification(config: Config, key: str, value: object) -> Specification:
    """The function that an option names, with all parameters explicit.

    Args:
        config: of the layer with the option.
        key: the option.
        value: None, a name, ``{"class_name": "function", "config": name}``, or a layer
            that is one function, as Keras saves it.

    Raises:
        Refused: it is none of these; the problem has been noted.
    """
    if isinstance(value, dict) and value.get("class_name") == "function":
        name = value.get("config")
        custom = config.function(name) if isinstance(name, str) else None
        if custom is None and value.get("module") not in MODULES:
            reason = f"a custom function, from {value.get('module')}"
            config.refuse(reason, key, name, (str(name),))
        value = name
    if value is None:
        return "linear"
    if isinstance(value, dict):
        return _by_layer(config, key, value)
    if not isinstance(value, str):
        config.refuse("expected the name of an activation function", key, value)
    return _by_name(config, key, value)


def _by_name(config: Config, key: str, name: str) -> Specification:
    custom = config.function(name)
    if custom is not None:
        return custom
    known = name in NAMES or name == "hard_sigmoid"
    if known and name not in config.meaning.functions:
        config.refuse(
            f"a custom function: {config.meaning.writer} had none of this name",
            key,
            name,
            (name,),
        )
    if name == "hard_sigmoid":
        return {"function": name, "slope": config.meaning.numbers.hard_sigmoid_slope}
    if name not in NAMES:
        reason = "a custom function, as Keras has none of this name"
        config.refuse(reason, key, name, (name,))
    return NAMES[name]


def _by_layer(config: Config, key: str, value: dict[str, Any]) -> Specification:
    """A layer as an activation, ``Dense(3, activation=LeakyReLU())``."""
    class_name, options = value.get("class_name"), value.get("config")
    convert = looked_up(LAYERS, class_name)
    if convert is None or not isinstance(options, dict):
        config.refuse("expected an activation function", key, class_name)
    module = value.get("module")
    if module is not None and not str(module).startswith(("keras.", "tf_keras.")):
        config.refuse("a layer from outside Keras", key, module)
    options, training = split(options)
    layer = KerasLayer(str(class_name), config.layer.name, options, training=training)
    inner = config.inner(key, layer)
    function = convert(inner)
    inner.dtype()
    inner.finish()
    return function


def activation(config: Config) -> Specification:
    """Activation, with any function that has a name in Keras."""
    return specification(config, "activation", config.value("activation"))


def elu(config: Config) -> Specification:
    """ELU; the default of ``alpha`` is 1."""
    return {"function": "elu", "alpha": config.number("alpha", 1.0)}


def leaky_relu(config: Config) -> Specification:
    """LeakyReLU; its default slope is 0.3, that of the function ``leaky_relu`` 0.2."""
    slope = config.number("negative_slope", 0.3)
    return {"function": "relu", "negative_slope": _in_float32(slope)}


def relu(config: Config) -> Specification:
    """ReLU; as in Keras, negative options are refused."""
    function: dict[str, Any] = {"function": "relu"}
    for key in ("max_value", "negative_slope", "threshold"):
        if config.value(key, None) is None:
            continue
        function[key] = config.number(key)
        if not function[key] >= 0:
            config.refuse("expected 0 or more", key, function[key])
    if "max_value" not in function and not function.get("threshold"):
        # Keras uses TensorFlow's LeakyRelu for these.
        function["negative_slope"] = _in_float32(function.get("negative_slope", 0.0))
    return function


def softmax(config: Config) -> Specification:
    """Softmax over one axis, or over several together."""
    # The graph reads it if the layer has a mask.
    config.boolean("robust_masking", False)
    return {"function": "softmax", "axis": list(config.axes("axis", -1))}


def thresholded_relu(config: Config) -> Specification:
    """ThresholdedReLU: x above theta, else 0."""
    theta = config.number("theta", 1.0)
    if not theta >= 0:
        config.refuse("expected 0 or more", "theta", theta)
    return {"function": "relu", "threshold": theta}


# Layers that are one function, without weights.
LAYERS: dict[str, Callable[[Config], Specification]] = {
    "Activation": activation,
    "ELU": elu,
    "LeakyReLU": leaky_relu,
    "ReLU": relu,
    "Softmax": softmax,
    "ThresholdedReLU": thresholded_relu,
}
