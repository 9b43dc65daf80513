"""Checks for the records of an architecture as they are read; names of classes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from gru2np.errors import ModelFileError, shown
from gru2np.ir import TensorRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeGuard

Item = TypeVar("Item")


def fail(where: str, expected: str, got: object) -> ModelFileError:
    """The error for an architecture that is not in Keras' form."""
    return ModelFileError(
        f"architecture: expected {expected}, got {shown(got, 80)} - at {where}; the "
        "file is damaged or was edited: fetch it again, or save the model again with "
        'model.save("model.keras")'
    )


def record(value: object, where: str) -> dict[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise fail(where, "an object", value)
    return value


def array(value: object, where: str) -> list[Any]:
    """The value, if it is an array."""
    if not isinstance(value, list):
        raise fail(where, "an array", value)
    return value


def text(value: object, where: str) -> str:
    """The value, if it is a string."""
    if not isinstance(value, str) or not value:
        raise fail(where, "a name", value)
    return value


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value of a file is an integer; to Python a bool is one too."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value of a file is a number that a float can hold."""
    return abs(value) < 10**308 if is_integer(value) else isinstance(value, float)


def custom_class(spec: Mapping[str, Any], built_in: frozenset[str]) -> str:
    """The class of a layer whose record marks it as custom, as ``package>Name``.

    Empty for all other layers.

    Args:
        spec: the record of the layer.
        built_in: packages of Keras itself.
    """
    name, module = text(spec.get("class_name"), "class_name"), spec.get("module")
    registered = spec.get("registered_name")
    if isinstance(module, str) and module.split(".")[0] not in built_in:
        return f"{module}>{name}"
    if isinstance(registered, str) and ">" in registered:
        return registered
    # Keras writes null as the module of classes that it cannot import.
    if "module" in spec and module is None and registered:
        return f"custom>{name}"
    return ""


def looked_up(table: Mapping[str, Item], value: object) -> Item | None:
    """The table's entry for a value of a file; None if the value is no string."""
    return table.get(value) if isinstance(value, str) else None


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value at any depth, outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def reference(value: object, where: str) -> TensorRef:
    """``[layer, call, output]`` as every Keras writes it; a fourth item is ignored."""
    items = array(value, where)
    if len(items) not in (3, 4) or not isinstance(items[0], str):
        raise fail(where, "[layer, call, output]", value)
    for index in items[1:3]:
        if not is_integer(index) or index < 0:
            raise fail(where, "[layer, call, output]", value)
    return TensorRef(items[0], items[1], items[2])


def references(value: object) -> Iterator[TensorRef]:
    """Every tensor in the record of a call, of any Keras and at any depth."""
    if isinstance(value, dict):
        history = stated_tensor(value)
        if history is not None:
            yield history[0]
            return
        value = list(value.values())
    if not isinstance(value, list):
        return
    named = len(value) in (3, 4) and isinstance(value[0], str)
    if named and all(is_integer(index) and index >= 0 for index in value[1:3]):
        yield TensorRef(*value[:3])
        value = value[3:]
    for item in value:
        yield from references(item)


def stated_tensor(value: object) -> tuple[TensorRef, object, object] | None:
    """A tensor of a file of Keras 3, with its shape and dtype as written there."""
    if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
        return None
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    if not isinstance(history, list) or len(history) < 3:
        return None
    assert isinstance(config, dict)
    return (
        reference(history[:3], "keras_history"),
        config.get("shape"),
        config.get("dtype"),
    )


def snake_case(class_name: str) -> str:
    """A class name in the form of variable paths (``PReLU``: ``p_re_lu``)."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
