"""The closed table of Keras classes, merged from the tables of the families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import (
    adaptive_pooling,
    advanced_activations,
    arithmetic,
    attending,
    attention,
    cells,
    contracting,
    convolutional,
    convolutional_recurrent,
    core,
    dense,
    encoding,
    functions,
    gathering,
    locally_connected,
    merging,
    normalization,
    ops,
    ordering,
    pooling,
    preprocessing,
    products,
    rearranging,
    recurrent,
    reducing,
    reshaping,
    resizing,
    scaling,
    separable,
    sizing,
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
    attending,
    attention,
    cells,
    contracting,
    convolutional,
    convolutional_recurrent,
    core,
    dense,
    encoding,
    functions,
    gathering,
    locally_connected,
    merging,
    normalization,
    ops,
    ordering,
    pooling,
    preprocessing,
    products,
    rearranging,
    recurrent,
    reducing,
    reshaping,
    resizing,
    scaling,
    separable,
    sizing,
    slicing,
    transposed,
    wrappers,
)

LAYERS: dict[str, LayerSpec] = {
    class_name: spec
    for family in FAMILIES
    for class_name, spec in family.LAYERS.items()
}
