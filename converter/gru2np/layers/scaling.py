"""Converts nodes that scale vectors by their length, mean or variance."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from gru2np.generations.records import is_number
from gru2np.layers.arguments import NOT_HERE, axes, build, constant, operands, tensors
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# ``keras.config.epsilon()``, which no file holds.
EPSILON = 1e-7
ORDERS = {"euclidean": 2.0, "inf": inf, "-inf": -inf}


def norm(config: Config) -> Layer:
    """Norm of vectors; over two axes, that of Frobenius."""
    tensors(config, 1)
    over = axes(config)
    order = config.value("ord", None)
    if order is None or (order == "fro" and len(over) == 2):
        order = 2.0
    elif isinstance(order, str) and order in ORDERS:
        order = ORDERS[order]
    elif len(over) > 1 or not is_number(order) or order <= 0:
        config.refuse(
            f"{NOT_HERE}: norms of vectors of an order above 0 or infinite, and of "
            "matrices of no order",
            "ord",
            order,
        )
    if len(over) > 1 and order != 2.0:
        config.refuse(f"{NOT_HERE}: norms of matrices of an order", "ord", order)
    keepdims = config.value("keepdims", False)
    return build(
        config,
        runtime.Norm,
        axes=over,
        order=float(order),
        keepdims=False if keepdims is None else config.boolean("keepdims", False),
    )


def normalized(config: Config) -> Layer:
    """Normalize of Keras 3: vectors divided by their length."""
    tensors(config, 1)
    epsilon = config.value("epsilon", None)
    over = _axes(config)
    if len(over) > 1:
        config.refuse(
            f"{NOT_HERE}: over several axes, which some releases take for a matrix; "
            "flatten them to one axis",
            "axis",
            over,
        )
    return build(
        config,
        runtime.Normalized,
        axes=over,
        order=float(config.integer("order", 2)),
        least=EPSILON if epsilon is None else config.number("epsilon"),
    )


def l2_normalized(config: Config) -> Layer:
    """L2Normalize of TensorFlow, which bounds the square of the length."""
    tensors(config, 1)
    return build(
        config,
        runtime.Normalized,
        axes=axes(config),
        bound="square",
        least=config.number("epsilon", 1e-12),
    )


def _axes(config: Config) -> tuple[int, ...]:
    """The axes, the last by default."""
    if "axis" not in config.layer.config:
        config.value("axis", -1)
        return (-1,)
    return axes(config)


def _numbers(config: Config, value: Any) -> list[float]:
    """A constant along the axes."""
    numbers: list[float] = constant(config, value)["constant"]
    return numbers


def layer_norm(config: Config) -> Layer:
    """LayerNorm with constants as gamma and beta, or without."""
    over = _axes(config)
    given = dict(operands(config))
    if len(config.layer.calls[0].inputs) != 1 or not set(given) <= {1, 2}:
        config.refuse(
            f"{NOT_HERE}: a gamma or beta that the model computes; multiply and add "
            "them after the normalization"
        )
    scale, offset = (
        [] if i not in given else _numbers(config, given[i]) for i in (1, 2)
    )
    by_deviation = config.boolean("rms_scaling", False)
    if by_deviation and offset:
        config.refuse("a beta with rms_scaling, which Keras leaves out", "rms_scaling")
    return build(
        config,
        runtime.Standardized,
        axes=sorted(over),
        epsilon=_epsilon(config),
        centred=not by_deviation,
        scale=scale,
        offset=offset,
    )


def rms_norm(config: Config) -> Layer:
    """RMSNorm with a constant as scale, or without."""
    tensors(config, 1)
    over = _axes(config)
    value = config.value("scale", None)
    if isinstance(value, dict):
        config.refuse(
            f"{NOT_HERE}: a scale that the model computes; multiply by it after the "
            "normalization",
            "scale",
        )
    if value is not None and over != (-1,):
        config.refuse(
            f"{NOT_HERE}: a scale along axes other than the last", "axis", over
        )
    return build(
        config,
        runtime.Standardized,
        axes=over,
        epsilon=_epsilon(config),
        centred=False,
        squares=True,
        scale=[] if value is None else _numbers(config, value),
    )


def _epsilon(config: Config) -> float:
    given = config.value("epsilon", None)
    return EPSILON if given is None else config.number("epsilon")


LAYERS = {
    "ops.L2Normalize": operation(l2_normalized, STOPS),
    "ops.LayerNorm": operation(layer_norm, STOPS),
    "ops.Norm": operation(norm, STOPS),
    "ops.Normalize": operation(normalized, STOPS),
    "ops.RMSNorm": operation(rms_norm, STOPS),
}
