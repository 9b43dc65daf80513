"""Initializers, regularizers and constraints, as files of Keras 3 have them."""

from __future__ import annotations

from typing import Any

from gru2np.upgrading import target

# The modules by the last word of an option.
MODULES = {
    "constraint": "constraints",
    "initializer": "initializers",
    "regularizer": "regularizers",
}
# Keys of older releases that say nothing: Keras 3 has the dtype of the variable.
IGNORED = frozenset({"dtype"})


class NoForm(Exception):
    """Keras 3 has no object that is known to be the same."""


def object_of(key: str, value: Any) -> Any:
    """The record of an object in Keras 3.

    Args:
        key: the option that it is the value of.
        value: as any Keras wrote it: a name, or a class with its options.

    Raises:
        NoForm: Keras 3 has none of this class, or it has other options.
    """
    if value is None:
        return None
    module = MODULES[key.rpartition("_")[2]]
    facts = target.written()["objects"][module]
    name: Any = value
    options: Any = {}
    if isinstance(value, dict):
        name, options = value.get("class_name"), value.get("config")
    name = facts["names"].get(name) if isinstance(name, str) else None
    if name is None or not isinstance(options, dict):
        raise NoForm
    known = facts["classes"][name]
    if options.keys() - known.keys() - IGNORED:
        raise NoForm
    config = {key: options.get(key, default) for key, default in known.items()}
    record = {"module": f"keras.{module}", "class_name": name, "config": config}
    return {**record, "registered_name": None}
