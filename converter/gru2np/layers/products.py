"""Converts Dot and Merge by ``cos``; their meaning is in the runtime's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.dtype_rules import BESIDE_FLOATS, FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def dot(config: Config) -> Layer:
    """Dot; one axis means the same axis of both inputs."""
    return config.build(
        runtime.Dot,
        axes=config.integers("axes", length=2, minimum=-32),
        normalize=config.boolean("normalize", False),
        any_rank=config.meaning.numbers.dots_of_any_rank,
    )


def cosine(config: Config) -> Layer:
    """Merge of Keras 1 with mode ``cos``; the other modes are layers."""
    if config.value("mode") != "cos":
        config.refuse(
            "a merge by Python code, which is never run; merge with a layer of Keras, "
            "and save the model again"
        )
    config.integers("dot_axes", -1, length=2, minimum=-2)
    return config.build(runtime.Cosine)


LAYERS = {
    "Dot": unmasked(dot, MEASURED, None, BESIDE_FLOATS),
    "Merge": unmasked(cosine, MEASURED, None, FLOATS),
}
