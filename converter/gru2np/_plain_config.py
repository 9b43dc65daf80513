"""A model's configuration as Keras may safely and faithfully read it.

Keras makes objects of everything a configuration names: initializers, regularizers
and constraints too, which decide no number of a trained model, which fail to load
where they are the user's own, and which a hostile file can point at any function.
And where an old file leaves an option out, Keras takes today's default.  So a file is
handed to Keras either as it is, or as a copy whose configuration is *plain*: without
those objects, and with the options written out that the file's Keras took for granted.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

from gru2np.generations.keras2 import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Options that hold objects of no weight in a forward pass.
_OBJECTS = re.compile(r"\w+_(initializer|regularizer|constraint)|compile_config")
# Where Keras' own layers, models and small objects are defined, in any version.
_KERAS = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.(api|src))*"
    r"(\.(activations|constraints|dtype_policies|engine|initializers|layers"
    r"|mixed_precision|models|ops|regularizers)(\.\w+)*)?"
)
_CODE = ("function", "__lambda__")


def plain(config: Any, *, keras2: bool) -> Any:
    """The configuration without objects of no weight, absent options written out."""
    if isinstance(config, list):
        return [plain(item, keras2=keras2) for item in config]
    if not isinstance(config, dict):
        return config
    kept = {
        key: plain(value, keras2=keras2)
        for key, value in config.items()
        if not _OBJECTS.fullmatch(key)
    }
    if keras2:
        options = kept.get("config")
        if isinstance(options, list) and "name" in kept:
            # Models inside had no name of their own before Keras 2.2.3.
            kept["config"] = {"name": kept["name"], "layers": options}
        elif absent(kept):
            kept["config"] = {**absent(kept), **kept["config"]}
    return kept


def absent(record: Mapping[str, Any]) -> dict[str, object]:
    """The options that a layer's record leaves out, as its Keras meant them."""
    options = record.get("config")
    name = record.get("class_name")
    if not isinstance(options, dict) or not isinstance(name, str):
        return {}
    known = ABSENT.get(name, {})
    return {key: value for key, value in known.items() if key not in options}


def leaves_out(config: Any) -> list[str]:
    """``option=value`` for every kind of option that some layer leaves out."""
    found: dict[str, None] = {}
    for record in _records(config):
        for key, value in absent(record).items():
            found[f"{record['class_name']} {key}={value!r}"] = None
    return list(found)


def foreign(config: Any) -> list[str]:
    """What the configuration names that Keras does not define itself.

    How the model was compiled is left aside: it is loaded without.
    """
    found: dict[str, None] = {}
    if isinstance(config, dict):
        config = {k: v for k, v in config.items() if k != "compile_config"}
    for record in _records(config):
        module, name = record.get("module"), record.get("class_name")
        inner = record.get("config")
        if module == "builtins" and name == "function" and isinstance(inner, str):
            # So activations stand in files of Keras 3: by their bare names.
            if hasattr(builtins, inner):
                found[f"builtins.{inner}"] = None
        elif module is not None and not (
            isinstance(module, str) and _KERAS.fullmatch(module)
        ):
            found[f"{module}.{name}"] = None
    for record in _records(config):
        for key, value in record.items():
            named = isinstance(value, dict) and value.get("class_name") in _CODE
            if named and _OBJECTS.fullmatch(key):
                found[f"the function {value.get('config')!r} as {key}"] = None
    return list(found)


def _records(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of the configuration, however deep."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
