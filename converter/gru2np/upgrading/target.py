"""The Keras that upgraded files are for: its classes, keys and meaning."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gru2np.generations import keras3
from gru2np.generations.releases import line
from gru2np.graph.flatten import assemble, builder_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.generations.releases import Class, Release
    from gru2np.graph.assembly import Builder
    from gru2np.ir import KerasModel
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning
    from gru2np_runtime.graph import Graph

# The backend that its numbers are compared on.
BACKEND = "tensorflow"


def release() -> Release:
    """The newest measured release of Keras 3."""
    return line("keras-3").releases[-1]


@cache
def meaning() -> Meaning:
    """What its layers mean."""
    return keras3.meaning(release(), BACKEND)


def graph_of(model: KerasModel, specs: Specs) -> tuple[Builder, Graph]:
    """What a model means, with the shapes and dtypes of its tensors."""
    builder = builder_of(model, meaning(), specs)
    return builder, assemble(builder, model)


@cache
def classes() -> Mapping[str, Class]:
    """Its classes by name, with the keys that it writes."""
    return line("keras-3").classes(release())


@cache
def written() -> Mapping[str, Any]:
    """What real Keras writes, measured: see ``fixtures/measure/keras3_files.py``."""
    source = files(__package__) / "tables" / "keras3.json"
    table: Mapping[str, Any] = json.loads(source.read_text("utf-8"))
    return table


def operation(class_name: str) -> Mapping[str, Any] | None:
    """How an operation is written; None if the class is none of Keras 3."""
    if not class_name.startswith("ops."):
        return None
    name = class_name.removeprefix("ops.")
    facts: Mapping[str, Any] | None = written()["operations"].get(name)
    return facts


def is_own(class_name: str) -> bool:
    """Whether a class is of the user's own: ``package>Name``."""
    return ">" in class_name


def home(class_name: str) -> tuple[str | None, str, str | None]:
    """Module, class and registered name of a class, as files have them."""
    if is_own(class_name):
        # Keras finds it among the custom objects, and imports no module.
        package, _, name = class_name.rpartition(">")
        return None, name, name if package == "custom" else class_name
    facts = operation(class_name)
    if facts is None:
        return "keras.layers", class_name, None
    return facts["module"], class_name.removeprefix("ops."), facts["registered_name"]
