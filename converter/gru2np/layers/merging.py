"""Converts the merge layers; their meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.dtype_rules import BESIDE_FLOATS, JOINED, MERGED
from gru2np.layers.mask_rules import CONCATENATES, LEFT_OUT, MERGES, ONE, Merges
from gru2np.layers.spec import unmasked
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
    """Concatenate along one axis, the last by default."""
    axis = config.integer("axis", -1, minimum=-32)
    return config.build(runtime.Concatenate, axis=axis)


LAYERS = {
    "Add": unmasked(plain, MERGES, None, MERGED),
    "Average": unmasked(plain, MERGES, None, BESIDE_FLOATS),
    "Concatenate": unmasked(concatenate, CONCATENATES, None, JOINED),
    "Maximum": unmasked(plain, Merges(LEFT_OUT, joins=False), None, MERGED),
    "Minimum": unmasked(plain, Merges(LEFT_OUT, joins=False), None, MERGED),
    "Multiply": unmasked(plain, Merges(ONE, joins=False), None, MERGED),
    "Subtract": unmasked(plain, MERGES, None, MERGED),
}
