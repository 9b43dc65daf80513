"""Options of a layer, under the keys of Keras 3 and with its kinds of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.options import HARMLESS, NEUTRAL
from gru2np.generations.architecture import CHILDREN
from gru2np.layers.spec import named_type
from gru2np.upgrading import target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.ir import KerasLayer

# Options that Keras 3 does not have, and the values that say what it does anyway.
SAID: dict[str, tuple[Any, ...]] = {
    **NEUTRAL,
    "groups": (1,),
    "noise_shape": (None,),
    "time_major": (False,),
}


def policy(value: Any) -> dict[str, Any]:
    """A dtype policy, from any Keras' record of one or its name."""
    config = {"name": named_type(value)}
    record = {"module": "keras", "class_name": "DTypePolicy"}
    return {**record, "config": config, "registered_name": None}


def options_of(layer: KerasLayer) -> dict[str, Any]:
    """The options of a layer, with every key that Keras 3 always writes."""
    if layer.class_name.startswith("ops."):
        return {"name": layer.name, **layer.config}
    given = {**layer.config, **layer.training, "name": layer.name}
    if layer.class_name == "InputLayer":
        dtype = named_type(given.get("dtype")) or "float32"
        shape = {"batch_shape": list(given["batch_shape"]), "dtype": dtype}
        others = {"sparse": False, "ragged": False, "optional": False}
        return {**shape, **others, "name": layer.name}
    known = target.classes()[layer.class_name]
    options = {}
    for key, default in known.always.items():
        if key in CHILDREN:
            continue
        if key in given:
            options[key] = given[key]
        elif default:
            options[key] = default[0]
    for key in known.sometimes & given.keys():
        options[key] = given[key]
    options["dtype"] = policy(given.get("dtype") or "float32")
    return options


def unwritten(layer: KerasLayer) -> Iterator[tuple[str, Any]]:
    """Options that decide numbers and that Keras 3 has no key for."""
    known = target.classes()[layer.class_name]
    for key, value in layer.config.items():
        if key in known.always or key in known.sometimes or key in HARMLESS:
            continue
        if any(value is legal for legal in SAID.get(key, ())):
            continue
        yield key, value
