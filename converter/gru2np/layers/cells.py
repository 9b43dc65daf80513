"""Converts GRUCell, LSTMCell and SimpleRNNCell, and their options in any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def gru_cell(config: Config) -> Layer:
    """GRUCell: one time step, which RNN runs over a sequence."""
    return config.build(runtime.GRUCell, **gru_options(config))


def lstm_cell(config: Config) -> Layer:
    """LSTMCell: one time step, which RNN runs over a sequence."""
    return config.build(runtime.LSTMCell, **lstm_options(config))


def simple_rnn_cell(config: Config) -> Layer:
    """SimpleRNNCell: one time step, which RNN runs over a sequence."""
    return config.build(runtime.SimpleRNNCell, **simple_rnn_options(config))


def gru_options(config: Config) -> dict[str, Any]:
    """Units, activations, bias, and whether the reset gate comes after the product."""
    return {**lstm_options(config), "reset_after": config.boolean("reset_after")}


def lstm_options(config: Config) -> dict[str, Any]:
    """Units, activations and bias."""
    recurrent = config.activation("recurrent_activation", "sigmoid")
    return {**simple_rnn_options(config), "recurrent_activation": recurrent}


def simple_rnn_options(config: Config) -> dict[str, Any]:
    """Units, activation and bias."""
    return {
        "units": config.integer("units"),
        "activation": config.activation("activation", "tanh"),
        "use_bias": config.boolean("use_bias", True),
    }


LAYERS = {
    "GRUCell": unmasked(gru_cell, MEASURED, IN_LAYER, FLOATS),
    "LSTMCell": unmasked(lstm_cell, MEASURED, IN_LAYER, FLOATS),
    "SimpleRNNCell": unmasked(simple_rnn_cell, MEASURED, IN_LAYER, FLOATS),
}
