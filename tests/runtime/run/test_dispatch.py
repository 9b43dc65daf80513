"""Which plan a layer gets."""

import numpy as np

from gru2np_runtime import layers
from gru2np_runtime.kernels.numpy.recurrence import recurrent


def test_options_that_only_the_plain_recurrence_supports():
    for options in (
        {"activation": "softmax"},
        {"recurrent_activation": {"function": "softmax"}},
        {"masked_output": "state", "masked_state": 1},
    ):
        layer = layers.LSTM(units=2, **options)
        weights = {
            name: np.zeros(shape, "float32")
            for name, shape in layer.weight_shapes((None, None, 3)).items()
        }
        assert recurrent(layer, weights, {}) is None
