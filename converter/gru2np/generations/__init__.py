"""Keras generations: each turns a raw model into the one spelling, with its meaning.

Which Keras wrote a file is asked here and nowhere after.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.generations import keras1, keras2, keras3

if TYPE_CHECKING:
    from gru2np.ir import KerasModel, RawModel
    from gru2np.meaning import Meaning

# A generation by the major version of Keras.
GENERATIONS = {1: keras1, 2: keras2, 3: keras3}
# Backends whose numbers fixtures prove.
BACKENDS = ("tensorflow", "theano", "cntk", "jax", "torch", "numpy", "openvino")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


def generation_of(raw: RawModel) -> int:
    """The major version of the Keras that saved a model.

    Keras 3's ``to_json`` writes no version, but modules that no older Keras has; and
    Keras 1 wrote none at first.
    """
    if raw.keras_version is None:
        return 3 if "module" in raw.config or "registered_name" in raw.config else 1
    return _parsed(raw, raw.keras_version)[0]


def interpret(raw: RawModel) -> tuple[KerasModel, Meaning]:
    """The model in one spelling, and what its Keras meant.

    Raises:
        ModelFileError: the architecture is damaged.
        UnsupportedModelError: its generation or backend is not read.
    """
    text = raw.keras_version
    generation = GENERATIONS.get(generation_of(raw))
    if generation is None:
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {text}; this version reads Keras 1 to 3"
        )
    if raw.backend is not None and raw.backend not in BACKENDS:
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {text} on {raw.backend}, whose numbers "
            f"nobody has checked; this version knows {', '.join(BACKENDS)}"
        )
    if text is None:
        version, text = generation.oldest(raw.config)
    else:
        version = _parsed(raw, text)
    model, meaning = generation.interpret(raw, version, text)
    return model, meaning


def _parsed(raw: RawModel, text: str) -> tuple[int, int, int]:
    match = _VERSION.match(text)
    if match is None:
        raise ModelFileError(
            f"{raw.file_name}: expected a keras_version such as 2.2.4, got {text!r}"
        )
    return int(match[1]), int(match[2]), int(match[3] or 0)


__all__ = ["GENERATIONS", "generation_of", "interpret"]
