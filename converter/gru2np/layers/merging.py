"""Spelling of the merge layers; their meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers._spec import CONCATENATES, MERGES, LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers._spec import Config
    from gru2np_runtime import Layer

# Merge layers without options, by class.
PLAIN: dict[str, type[Layer]] = {
    "Add": runtime.Add,
    "Average": runtime.Average,
    "Maximum": runtime.Maximum,
    "Minimum": runtime.Minimum,
    "Multiply": runtime.Multiply,
    "Subtract": runtime.Subtract,
}


def plain(config: Config) -> Layer:
    """Add, Average, Maximum, Minimum, Multiply, Subtract."""
    return config.build(PLAIN[config.layer.class_name])


def concatenate(config: Config) -> Layer:
    """Concatenate."""
    axis = config.integer("axis", -1, minimum=-32)
    return config.build(runtime.Concatenate, axis=axis)


def dot(config: Config) -> Layer:
    """Dot; one axis stands for the same axis of both."""
    return config.build(
        runtime.Dot,
        axes=config.integers("axes", length=2, minimum=-32),
        normalize=config.boolean("normalize", False),
        any_rank=config.meaning.dots_of_any_rank,
    )


def cosine(config: Config) -> Layer:
    """Merge of Keras 1 in its mode ``cos``; its other modes became layers."""
    if config.value("mode") != "cos":
        config.refuse("a merge by Python code, which is never run")
    config.integers("dot_axes", -1, length=2, minimum=-2)
    return config.build(runtime.Cosine)


LAYERS = {
    **{name: LayerSpec(plain, mask=MERGES) for name in PLAIN},
    "Concatenate": LayerSpec(concatenate, mask=CONCATENATES),
    "Dot": LayerSpec(dot),
    "Merge": LayerSpec(cosine),
}
