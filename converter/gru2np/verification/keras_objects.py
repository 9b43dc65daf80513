"""The custom objects that Keras needs to run a model: in a file of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.errors import VerificationError
from gru2np.layers.custom import LAMBDA, function_name
from gru2np.verification.installed_keras import INSTEAD

if TYPE_CHECKING:
    from collections.abc import Collection

    from gru2np.ir import FilePath

# The name that the file defines: a dict, or a function of the module of Keras to one.
KERAS_OBJECTS = "keras_custom_objects"


def check(needed: Collection[str], path: FilePath | None) -> None:
    """Refuse custom objects without those of Keras.

    Args:
        needed: names of the objects that the conversion used.
        path: of the file that defines those of Keras.

    Raises:
        VerificationError: there are some, but ``path`` is None.
    """
    if needed and path is None:
        raise VerificationError(
            f"Keras needs its own classes or functions for {', '.join(needed)}"
            f": define {KERAS_OBJECTS}(keras) in the file of --custom-objects "
            f"(docs/custom-objects.md shows how), or {INSTEAD}"
        )


def give_names(config: Any, names: Collection[str], *, keras_3: bool) -> None:
    """Put names of custom objects in the place of code, modules and packages.

    So Keras runs no code of the file and imports no module that the file names.

    Args:
        config: a configuration, which is changed.
        names: of the objects that the conversion used.
        keras_3: whether Keras 3 will read it.
    """
    if isinstance(config, list):
        for item in config:
            give_names(item, names, keras_3=keras_3)
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        is_function = isinstance(value, dict) and value.get("class_name") == "function"
        if is_function and value["config"] in names:
            name = value["config"]
            config[key] = _by_name(name) if keras_3 else name
        else:
            give_names(value, names, keras_3=keras_3)
    kind, options = config.get("class_name"), config.get("config")
    if not isinstance(kind, str) or not isinstance(options, dict):
        return
    function = function_name(options) if kind == LAMBDA else None
    given = [
        name
        for name in (options.get("name"), function, kind)
        if isinstance(name, str) and name in names
    ]
    if not given:
        return
    name = given[0]
    by_name = _by_name(name) if keras_3 else name
    if kind == LAMBDA:
        kept = {key: options[key] for key in ("name", "dtype") if key in options}
        arguments = options.get("arguments") or {}
        config["config"] = {**kept, "function": by_name, "arguments": arguments}
        if not keras_3:
            raw = {"output_shape": None, "output_shape_type": "raw"}
            config["config"].update(raw, function_type="function")
    elif kind == "Activation" and name == options.get("name"):
        options["activation"] = by_name
    else:
        config["class_name"] = name
        if "module" in config:
            config.update(module=None, registered_name=name)


def _by_name(name: str) -> dict[str, Any]:
    """A function as Keras 3 writes it; tf-keras opens no .h5 with that form.

    Without a module, so that Keras never takes what Python has by this name, ``sum``.
    """
    written = {"class_name": "function", "config": name, "module": None}
    return {**written, "registered_name": "function"}
