"""What is recognised but not read by this version, each refused by name.

To read one of these, write its reader and take its function out of here.
"""

from __future__ import annotations

import re
from typing import NoReturn

from gru2np.errors import UnsupportedModelError


def keras_1(where: str, keras_version: str | None) -> None:
    """Refuse Keras 1, which is also what a file without a version means to Keras."""
    written = "no Keras version" if keras_version is None else f"Keras {keras_version}"
    if keras_version is None or re.match(r"\s*[01]\b", keras_version):
        raise UnsupportedModelError(
            f"{where}: written by Keras 1 (the file names {written}), which this "
            "version does not read; load it with Keras 2.0 to 2.3 and save it again"
        )


def ancient(where: str) -> NoReturn:
    """Refuse weights from before Keras 1.0.7, numbered instead of named."""
    raise UnsupportedModelError(
        f"{where}: weights in the numbered form (attribute `nb_layers`) of Keras "
        "before 1.0.7, which this version does not read; load them with Keras 2.0 to "
        "2.3 and save the whole model again"
    )


def checkpoint_dependencies(where: str, keras_version: str | None) -> NoReturn:
    """Refuse tf.keras 2.12 to 2.14, whose new format numbers layers its own way."""
    writer = f"tf.keras {keras_version}" if keras_version else "tf.keras 2.12 to 2.14"
    raise UnsupportedModelError(
        f"{where}: written by {writer}, whose new format keeps the weights under "
        "`_layer_checkpoint_dependencies` with a numbering of its own, which this "
        "version does not read; save it from the same TensorFlow with "
        'model.save("model.h5")'
    )


def shards(where: str) -> NoReturn:
    """Refuse weights split over several files."""
    raise UnsupportedModelError(
        f"{where}: weights split into shards, which this version does not read; "
        'save them as one file with model.save("model.keras")'
    )


def pickled_weights(where: str) -> NoReturn:
    """Refuse weights in .npz, whose object arrays only pickle reads."""
    raise UnsupportedModelError(
        f"{where}: the weights are `model.weights.npz`, which takes pickle to read and "
        'could run code; save the model again with model.save("model.keras")'
    )


def directory(where: str, kind: str) -> NoReturn:
    """Refuse a model saved as a directory."""
    raise UnsupportedModelError(
        f"{where}: expected a file, got a directory ({kind}); load it where it was "
        'made and save it as one file with model.save("model.keras"), in TensorFlow '
        'up to 2.12 model.save("model.h5")'
    )


def top_level_weights(where: str) -> NoReturn:
    """Refuse weights that belong to the model itself and not to a layer."""
    raise UnsupportedModelError(
        f"{where}: the model has weights of its own outside its layers, so it is a "
        "subclassed model; rebuild it with the functional API and save it again"
    )
