"""The closed table of Keras classes, merged from the tables of the families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import (
    adaptive_pooling,
    advanced_activations,
    arithmetic,
    attention,
    cells,
    convolutional,
    convolutional_recurrent,
    core,
    dense,
    encoding,
    functions,
    locally_connected,
    merging,
    normalization,
    ops,
    pooling,
    preprocessing,
    products,
    recurrent,
    reducing,
    reshaping,
    resizing,
    separable,
    slicing,
    transposed,
    wrappers,
)
from gru2np.layers.not_converted import NOT_CONVERTED

if TYPE_CHECKING:
    from gru2np.layers.spec import LayerSpec

__all__ = ["FAMILIES", "LAYERS", "NOT_CONVERTED"]

FAMILIES = (
    adaptive_pooling,
    advanced_activations,
    arithmetic,
    attention,
    cells,
    convolutional,
    convolutional_recurrent,
    core,
    dense,
    encoding,
    functions,
    locally_connected,
    merging,
    normalization,
    ops,
    pooling,
    preprocessing,
    products,
    recurrent,
    reducing,
    reshaping,
    resizing,
    separable,
    slicing,
    transposed,
    wrappers,
)

LAYERS: dict[str, LayerSpec] = {
    class_name: spec
    for family in FAMILIES
    for class_name, spec in family.LAYERS.items()
}
