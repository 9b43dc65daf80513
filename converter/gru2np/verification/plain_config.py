"""The plain configuration of a model, which Keras reads safely and as it was meant.

Keras makes objects of everything that a configuration names.  Initializers,
regularizers and constraints change no number of a trained model, but custom ones fail
to load, and a hostile file can make them any function.  For an option that an old file
leaves out, Keras takes today's default.  So Keras gets the file as it is, or a copy
whose configuration is *plain*: without those objects, and with the options that its
Keras had as defaults.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

from gru2np.generations.keras2 import ABSENT, CUDNN
from gru2np.generations.records import objects
from gru2np.generations.tensorflow_ops import CLASSES
from gru2np.layers.custom import LAMBDA, function_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import KerasModel

# Options with objects that the forward pass does not use.
_OBJECTS = re.compile(r"\w+_(initializer|regularizer|constraint)|compile_config")
# Where Keras' own layers, models and small objects are defined, in any version.
_KERAS = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.(api|src))*"
    r"(\.(activations|constraints|dtype_policies|engine|initializers|layers"
    r"|mixed_precision|models|ops|quantizers|regularizers)(\.\w+)*)?"
)
# Names that TensorFlow 2.6 to 2.12 wrote and tf-keras does not know.
_ACTIVATIONS = {"log_softmax_v2": "log_softmax", "softmax_v2": "softmax"}
_CODE = ("function", "__lambda__")


def plain(conversion: Conversion, *, keras2: bool) -> tuple[Any, list[str]]:
    """The plain configuration of a model.

    Args:
        conversion: the model.
        keras2: whether Keras 2 will read it; its old files leave options out.

    Returns:
        The configuration, and the options that were added, as text.
    """
    config = _without_objects(conversion.raw.config)
    if not keras2:
        return config, []
    _name_models(config, conversion.whole)
    shape = conversion.built.graph.inputs[0].shape
    if conversion.part is not None:
        shape = tuple(_shape_of_first(conversion.whole))
    _give_input_shape(config, shape)
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
            # Keras 2 converts the weights of one kind to the other.
            record["class_name"] = CUDNN.get(name, name)
    return config, list(written)


def _shape_of_first(model: KerasModel) -> Sequence[int | None]:
    """The shape of the first input of a model, as its file has it."""
    name = model.inputs[0].layer
    layer = next(layer for layer in model.layers if layer.name == name)
    shape: Sequence[int | None] = layer.config.get("batch_shape") or ()
    return shape


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
    """Name nested Sequential models, which had no name in files before Keras 2.2.3."""
    inner = config["config"]
    specs = inner if isinstance(inner, list) else inner["layers"]
    specs = [spec for spec in specs if spec["class_name"] != "InputLayer"]
    layers = [layer for layer in model.layers if layer.class_name != "InputLayer"]
    # Nodes of shapes that operations read themselves are no layers of the model.
    names = {layer.name for layer in layers}
    specs = [
        spec
        for spec in specs
        if spec["class_name"] not in CLASSES or spec.get("name") in names
    ]
    # The layers of branches that the first layer merges may come before it.
    for spec, layer in zip(specs, layers[-len(specs) :], strict=True):
        if layer.model is not None:
            _name_models(spec, layer.model)
            if isinstance(spec["config"], list):
                spec["config"] = {"name": layer.name, "layers": spec["config"]}


def _give_input_shape(config: dict[str, Any], shape: Sequence[int | None]) -> None:
    """Give a Sequential model without an InputLayer its input shape."""
    inner = config["config"]
    if config["class_name"] == "Sequential":
        first = (inner if isinstance(inner, list) else inner["layers"])[0]["config"]
        if isinstance(first, dict) and "layers" not in first:
            first.setdefault("batch_input_shape", list(shape))


def foreign(config: Any) -> list[str]:
    """The classes and functions in a configuration that Keras does not define.

    The compile configuration is skipped: the model is loaded without it.
    """
    names: dict[str, None] = {}
    if isinstance(config, dict):
        config = {k: v for k, v in config.items() if k != "compile_config"}
    for record in objects(config):
        module, name = record.get("module"), record.get("class_name")
        inner = record.get("config")
        if module == "builtins" and name == "function" and isinstance(inner, str):
            # In files of Keras 3 activations have this module and a bare name.
            if hasattr(builtins, inner):
                names[f"builtins.{inner}"] = None
        elif module is not None and not (
            isinstance(module, str) and _KERAS.fullmatch(module)
        ):
            names[f"{module}.{name}"] = None
    for record in objects(config):
        for key, value in record.items():
            is_code = isinstance(value, dict) and value.get("class_name") in _CODE
            if is_code and _OBJECTS.fullmatch(key):
                names[f"the function {value.get('config')!r} as {key}"] = None
        if holds_code(record):
            names["code, as Lambda layers have it"] = None
    return list(names)


def holds_code(record: dict[str, Any]) -> bool:
    """Whether an object is code, or a Lambda layer with code, that Keras would run.

    A Lambda that ``keras_objects.give_names`` has written holds a name.
    """
    if record.get("class_name") != LAMBDA:
        return record.get("class_name") == "__lambda__"
    options = record.get("config")
    if not isinstance(options, dict):
        return True
    of_shape = (options.get("output_shape"), options.get("mask"))
    return (
        function_name(options) is None
        or options.get("function_type", "function") != "function"
        or any(value is not None for value in of_shape)
    )
