"""What is recognised but not read by this version, each refused by name.

To read one of these, write its reader and take its function out of here.
"""

from __future__ import annotations

from typing import NoReturn

from gru2np.errors import UnsupportedModelError


def ancient(where: str) -> NoReturn:
    """Refuse weights from before Keras 1.0, numbered instead of named."""
    raise UnsupportedModelError(
        f"{where}: weights in the numbered form (attribute `nb_layers`) of Keras "
        "before 1.0, which this version does not read; load them with Keras 1.2 and "
        "save the whole model again"
    )


def pickled_weights(where: str) -> NoReturn:
    """Refuse weights in .npz, whose object arrays only pickle reads."""
    raise UnsupportedModelError(
        f"{where}: the weights are `model.weights.npz`, which takes pickle to read and "
        'could run code; save the model again with model.save("model.keras")'
    )


def directory(where: str, kind: str) -> NoReturn:
    """Refuse a model saved as a directory of TensorFlow's own."""
    raise UnsupportedModelError(
        f"{where}: expected a Keras model, got a directory ({kind}), which only "
        "TensorFlow reads; load it where it was made and save it as one file with "
        'model.save("model.keras"), in TensorFlow up to 2.12 model.save("model.h5")'
    )


def top_level_weights(where: str) -> NoReturn:
    """Refuse weights that belong to the model itself and not to a layer."""
    raise UnsupportedModelError(
        f"{where}: the model has weights of its own outside its layers, so it is a "
        "subclassed model; rebuild it with the functional API and save it again"
    )
