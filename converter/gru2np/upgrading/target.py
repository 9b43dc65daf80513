"""The Keras that upgraded files are for: its classes, keys and meaning."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gru2np.generations import keras3
from gru2np.generations.releases import line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.generations.releases import Class, Release
    from gru2np.meaning import Meaning

# The backend that its numbers are compared on.
BACKEND = "tensorflow"


def release() -> Release:
    """The newest measured release of Keras 3."""
    return line("keras-3").releases[-1]


@cache
def meaning() -> Meaning:
    """What its layers mean."""
    return keras3.meaning(release(), BACKEND)


@cache
def classes() -> Mapping[str, Class]:
    """Its classes by name, with the keys that it writes."""
    return line("keras-3").classes(release())


@cache
def modules() -> Mapping[str, str]:
    """The modules of its operations by class."""
    names = line("keras-3").operation_names(release())
    split = (name.rpartition(".") for name in names)
    return {name: f"keras.src.{module}" for module, _, name in split}


def home(class_name: str) -> tuple[str, str, str | None]:
    """Module, class and registered name of a class, as files have them."""
    if class_name.startswith("ops."):
        name = class_name.removeprefix("ops.")
        return modules()[name], name, name
    return "keras.layers", class_name, None
