"""A model's configuration as Keras may safely and faithfully read it.

Keras makes objects of everything a configuration names: initializers, regularizers
and constraints too, which decide no number of a trained model, which fail to load
where they are the user's own, and which a hostile file can point at any function.
And where an old file leaves an option out, Keras takes today's default.  So a file is
given to Keras either as it is, or as a copy whose configuration is *plain*: without
those objects, and with the options written out that the file's Keras took for granted.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

from gru2np.generations.keras2 import ABSENT, CUDNN
from gru2np.generations.records import objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import KerasModel

# Options that hold objects of no weight in a forward pass.
_OBJECTS = re.compile(r"\w+_(initializer|regularizer|constraint)|compile_config")
# Where Keras' own layers, models and small objects are defined, in any version.
_KERAS = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.(api|src))*"
    r"(\.(activations|constraints|dtype_policies|engine|initializers|layers"
    r"|mixed_precision|models|ops|regularizers)(\.\w+)*)?"
)
# TensorFlow 2.6 to 2.12 wrote these names, which tf-keras of today does not know.
_ACTIVATIONS = {"log_softmax_v2": "log_softmax", "softmax_v2": "softmax"}
_CODE = ("function", "__lambda__")


def plain(conversion: Conversion, *, keras2: bool) -> tuple[Any, list[str]]:
    """The plain configuration of a model.

    Args:
        conversion: the model.
        keras2: Keras 2 will read it, which knows options that old files leave out.

    Returns:
        The configuration, and the options that were written out, in words.
    """
    config = _without_objects(conversion.raw.config)
    if not keras2:
        return config, []
    _name_models(config, conversion.model)
    _give_input_shape(config, conversion.built.graph.inputs[0].shape)
    written: dict[str, None] = {}
    for record in objects(config):
        name, options = record.get("class_name"), record.get("config")
        if isinstance(name, str) and isinstance(options, dict):
            for key in ("activation", "recurrent_activation"):
                function = options.get(key)
                if isinstance(function, str):
                    options[key] = _ACTIVATIONS.get(function, function)
            for key, value in ABSENT.get(name, {}).items():
                if key not in options:
                    options[key] = value
                    written[f"{name} {key}={value!r}"] = None
            # Keras 2 gives the weights of either to the other.
            record["class_name"] = CUDNN.get(name, name)
    return config, list(written)


def _without_objects(config: Any) -> Any:
    if isinstance(config, list):
        return [_without_objects(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _without_objects(value)
        for key, value in config.items()
        if not _OBJECTS.fullmatch(key)
    }


def _name_models(config: dict[str, Any], model: KerasModel) -> None:
    """Name the models inside, which had no name of their own before Keras 2.2.3."""
    inner = config["config"]
    specs = inner if isinstance(inner, list) else inner["layers"]
    specs = [spec for spec in specs if spec["class_name"] != "InputLayer"]
    layers = [layer for layer in model.layers if layer.class_name != "InputLayer"]
    # In front may stand the layers of branches that the first one merges.
    for spec, layer in zip(specs, layers[-len(specs) :], strict=True):
        if layer.model is not None:
            _name_models(spec, layer.model)
            if isinstance(spec["config"], list):
                spec["config"] = {"name": layer.name, "layers": spec["config"]}


def _give_input_shape(config: dict[str, Any], shape: Sequence[int | None]) -> None:
    """Say the input shape that a Sequential model forgot with its InputLayer."""
    inner = config["config"]
    if config["class_name"] == "Sequential":
        first = (inner if isinstance(inner, list) else inner["layers"])[0]["config"]
        if isinstance(first, dict) and "layers" not in first:
            first.setdefault("batch_input_shape", list(shape))


def foreign(config: Any) -> list[str]:
    """What the configuration names that Keras does not define itself.

    How the model was compiled is left aside: it is loaded without.
    """
    found: dict[str, None] = {}
    if isinstance(config, dict):
        config = {k: v for k, v in config.items() if k != "compile_config"}
    for record in objects(config):
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
    for record in objects(config):
        for key, value in record.items():
            named = isinstance(value, dict) and value.get("class_name") in _CODE
            if named and _OBJECTS.fullmatch(key):
                found[f"the function {value.get('config')!r} as {key}"] = None
    return list(found)
