"""Spelling of the merge layers; their meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.spec import CONCATENATES, MERGES, LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
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


LAYERS = {
    **{name: LayerSpec(plain, mask=MERGES) for name in PLAIN},
    "Concatenate": LayerSpec(concatenate, mask=CONCATENATES),
}
