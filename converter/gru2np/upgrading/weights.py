"""Where the weights of a model are in a file of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.weights.naming import PathNaming
from gru2np.weights.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.ir import KerasModel, Shape
    from gru2np.layers.custom import Specs
    from gru2np.weights.slots import Slot

# Variables that inference does not use, as Keras makes them, by name.
NEW = {"count": np.zeros((), "int64")}


def variables(
    model: KerasModel, specs: Specs, expected: Mapping[str, Mapping[str, Shape]]
) -> Iterator[tuple[str, str, list[Slot]]]:
    """The path of each object that has variables, its name, and its arrays.

    Args:
        model: in the spelling of Keras 3, its forms of weights those of Keras 3.
        specs: how its classes are converted.
        expected: weight shapes by layer path and weight name.
    """
    slots = Slots(expected, specs, PathNaming())
    groups: dict[str, tuple[str, list[Slot]]] = {}
    for layer, path, at in slots.layers(model):
        for slot in slots.of(layer, path, at):
            _, arrays = groups.setdefault(slot.stored, (slot.owner, []))
            arrays.append(slot)
    for path, (owner, arrays) in groups.items():
        yield path, owner or path.rpartition("/")[2], arrays
