"""Converts Dense and its relatives; their meaning is in the runtime's dense.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.dtype_rules import ANY, FLOATS, PROMOTED
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.quantized import built, rule
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime.layers import (
    Dense,
    EinsumDense,
    Highway,
    MaxoutDense,
    QuantizedDense,
    QuantizedEinsumDense,
)

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def dense(config: Config) -> Layer:
    """Dense; without an activation it is linear."""
    return built(
        config,
        Dense,
        QuantizedDense,
        units=config.integer("units"),
        activation=config.activation("activation"),
        use_bias=config.boolean("use_bias", True),
    )


def highway(config: Config) -> Layer:
    """Highway of Keras 1."""
    return config.build(
        Highway,
        activation=config.activation("activation"),
        use_bias=config.boolean("use_bias", True),
    )


def maxout_dense(config: Config) -> Layer:
    """MaxoutDense of Keras 1."""
    return config.build(
        MaxoutDense,
        units=config.integer("units"),
        pieces=config.integer("nb_feature", 4),
        use_bias=config.boolean("use_bias", True),
    )


def einsum_dense(config: Config) -> Layer:
    """EinsumDense; ``output_shape`` excludes the batch, and may be one number."""
    equation, bias_axes = config.value("equation"), config.value("bias_axes", None)
    shape = config.value("output_shape")
    if not isinstance(equation, str) or not isinstance(bias_axes, (str, type(None))):
        config.refuse("expected letters", "equation", [equation, bias_axes])
    # Its kernel has these columns, as its shape says.
    config.value("gptq_unpacked_column_size", None)
    return built(
        config,
        EinsumDense,
        QuantizedEinsumDense,
        equation=equation,
        output_shape=shape if isinstance(shape, list) else [shape],
        bias_axes=bias_axes or "",
        activation=config.activation("activation"),
    )


LAYERS = {
    "Dense": unmasked(dense, MEASURED, IN_LAYER, rule(ANY)),
    "EinsumDense": unmasked(einsum_dense, MEASURED, IN_LAYER, rule(PROMOTED)),
    "Highway": unmasked(highway, MEASURED, IN_LAYER, FLOATS),
    "MaxoutDense": unmasked(maxout_dense, MEASURED, IN_LAYER, FLOATS),
}
