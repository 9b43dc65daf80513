"""Networks in which recurrent layers are not alone, or not at all; made by Keras."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from models import CHECKED_ROWS, NETWORKS_INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from models import Array, Workload

CHARACTERS = 37


def crnn(x: Any) -> Any:
    """Text in a picture: two convolutions, a GRU each way, a character a column.

    Shi et al. 2015, arXiv:1507.05717, made small.
    """
    from keras import layers

    y = x
    for filters in (32, 64):
        y = layers.Conv2D(filters, 3, padding="same", activation="relu")(y)
        y = layers.MaxPooling2D(2)(y)
    # Columns of the picture are the time steps.
    y = layers.Permute((2, 1, 3))(y)
    y = layers.Reshape((y.shape[1], y.shape[2] * y.shape[3]))(y)
    y = layers.Bidirectional(layers.GRU(64, return_sequences=True))(y)
    return layers.Dense(CHARACTERS, activation="softmax")(y)


def transformer(x: Any) -> Any:
    """Two blocks of an encoder: 4 heads of 16, then 256 units, normalised behind.

    Vaswani et al. 2017, arXiv:1706.03762.
    """
    from keras import layers

    y = x
    for _ in range(2):
        found = layers.MultiHeadAttention(num_heads=4, key_dim=16)(y, y)
        y = layers.LayerNormalization()(layers.Add()([y, found]))
        found = layers.Dense(64)(layers.Dense(256, activation="relu")(y))
        y = layers.LayerNormalization()(layers.Add()([y, found]))
    return y


BUILDERS: dict[str, Callable[[Any], Any]] = {"crnn": crnn, "transformer": transformer}


def build(workload: Workload) -> Any:
    """The Keras model, of a fixed batch and with random weights: biases too."""
    import keras

    name = workload.network
    keras.utils.set_random_seed(zlib.crc32(name.encode()))
    x = keras.Input(batch_shape=(workload.batch, *NETWORKS_INPUTS[name]), name="a0")
    model = keras.Model(x, BUILDERS[name](x))
    rng = np.random.default_rng(3)
    # Keras starts with random kernels, but with biases of 0 and gammas of 1.
    model.set_weights(
        [
            array + rng.normal(0, 0.1, array.shape) if np.ptp(array) == 0.0 else array
            for array in model.get_weights()
        ]
    )
    return model


def exact(workload: Workload, x: Array) -> Array:
    """What Keras gives in float64, for the first rows of x."""
    import keras

    weights = build(workload).get_weights()
    keras.config.set_dtype_policy("float64")
    model = build(workload)
    keras.config.set_dtype_policy("float32")
    model.set_weights(weights)
    y = np.asarray(model(x.astype(np.float64)))
    assert y.dtype == np.float64
    return y[:CHECKED_ROWS]
