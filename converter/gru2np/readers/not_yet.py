"""Kinds of models that this version recognises and refuses.

To support one of these, write its reader and remove its function here.
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
    """Refuse weights in .npz, whose object arrays only pickle can read."""
    raise UnsupportedModelError(
        f"{where}: the weights are `model.weights.npz`, which only pickle can read, "
        "and pickle can run code; save the model again with "
        'model.save("model.keras")'
    )


def top_level_weights(where: str) -> NoReturn:
    """Refuse weights of the model itself, outside its layers."""
    raise UnsupportedModelError(
        f"{where}: the model has weights of its own outside its layers, so it is a "
        "subclassed model; rebuild it with the functional API and save it again"
    )
