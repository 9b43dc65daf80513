"""Keras generations: each turns a raw model into the one spelling, with its meaning.

Which Keras wrote a file is asked here and nowhere after.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.generations import keras2, keras3

if TYPE_CHECKING:
    from gru2np.ir import KerasModel, Meaning, RawModel

# A generation by the major version of Keras.  Keras 1 gets its row here.
GENERATIONS = {2: keras2, 3: keras3}
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


def interpret(raw: RawModel) -> tuple[KerasModel, Meaning]:
    """The model in one spelling, and what its Keras meant.

    Raises:
        ModelFileError: the architecture is damaged.
        UnsupportedModelError: its generation or backend is not read yet.
    """
    text = raw.keras_version
    if text is None:
        # Keras 3's to_json writes no version, but modules that no older Keras has.
        if "module" not in raw.config and "registered_name" not in raw.config:
            raise UnsupportedModelError(
                f"{raw.file_name}: no keras_version, as Keras 1 saved it; "
                "this version reads Keras 2.0 and later"
            )
        return keras3.interpret(raw, *keras3.oldest(raw.config))
    match = _VERSION.match(text)
    if match is None:
        raise ModelFileError(
            f"{raw.file_name}: expected a keras_version such as 2.2.4, got {text!r}"
        )
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    generation = GENERATIONS.get(version[0])
    if generation is None:
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {text}; this version reads Keras 2.0 "
            "to 3.x"
        )
    if raw.backend in ("theano", "cntk"):
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {text} on {raw.backend}, whose "
            "convolutions and defaults differ; this version reads models saved on "
            "TensorFlow, JAX and torch"
        )
    model, meaning = generation.interpret(raw, version, text)
    return model, meaning


__all__ = ["GENERATIONS", "interpret"]
