"""Converts ConvLSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.convolutional import before, window
from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.recurrent import sequence_options
from gru2np.layers.spec import IN_CELL, recurrent
from gru2np_runtime.layers import ConvLSTM

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def conv_lstm(rank: int) -> Callable[[Config], Layer]:
    """A ConvLSTM over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        padding = config.choice("padding", ("valid", "same"), "valid")
        options = window(config, padding, rank)
        ones = (1,) * rank
        sequence = sequence_options(config, False)
        if not config.boolean("zeroes_masked", True):
            # Keras 2 ignores zero_output_for_mask here.
            sequence["masked_output"] = config.meaning.recurrent.masked_output
        return config.build(
            ConvLSTM,
            filters=config.integer("filters"),
            recurrent_before=before(config, "same", options["kernel_size"], ones),
            activation=config.activation("activation", "tanh"),
            recurrent_activation=config.activation("recurrent_activation", "sigmoid"),
            use_bias=config.boolean("use_bias", True),
            **options,
            **sequence,
        )

    return convert


LAYERS = {
    f"ConvLSTM{rank}D": recurrent(conv_lstm(rank), IN_CELL, FLOATS)
    for rank in (1, 2, 3)
}
