"""Options of a layer, under the keys of Keras 3 and with its kinds of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.architecture import CHILDREN
from gru2np.generations.training import OBJECTS, split
from gru2np.ir import KerasLayer, Numbers
from gru2np.layers.activations import NAMES
from gru2np.layers.options import HARMLESS, NEUTRAL
from gru2np.layers.spec import named_type
from gru2np.upgrading import target
from gru2np.upgrading.objects import NoForm, object_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Names that are functions of Keras.
FUNCTIONS = frozenset({*NAMES, "hard_sigmoid"})
# Options that Keras 3 does not have, and the values that say what it does anyway.
SAID: dict[str, tuple[Any, ...]] = {
    **NEUTRAL,
    "causal": (False,),
    "groups": (1,),
    "noise_shape": (None,),
    "time_major": (False,),
}
# Options that attributes of the runtime's layers state, which are compared, and shapes
# that Keras infers.
COMPARED = frozenset(
    {
        *("counts_padding", "reverse_state_order", "rng_type", "whole_as"),
        *("zeroes_masked", "query_shape", "key_shape", "value_shape"),
    }
)
# Values of options that Keras 3 has; generations add some of their own.
LEGAL: dict[str, tuple[Any, ...]] = {
    "data_format": (None, "channels_first", "channels_last"),
    "interpolation": ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
    "merge_mode": (None, "ave", "concat", "mul", "sum"),
    "padding": ("valid", "same", "causal"),
}
# Options that older Kerases gave the first layer of a model.
OF_INPUTS = frozenset({"batch_shape", "input_dtype"})
# Defaults that depend on other options or on settings of Keras, as tables lack them.
DEFAULTS = {"data_format": "channels_last", "renorm_clipping": None}
NO_OPTION = "Keras 3 has no such option, and nothing that does the same"
# Options whose loss changes nothing.
UNMARKED = frozenset({"seed", "renorm_clipping", "renorm_momentum"})


def policy(value: Any) -> dict[str, Any]:
    """A dtype policy, from any Keras' record of one or its name."""
    config = {"name": named_type(value)}
    record = {"module": "keras", "class_name": "DTypePolicy"}
    return {**record, "config": config, "registered_name": None}


def value_of(value: Any) -> Any:
    """A constant as files of Keras 3 have it."""
    if isinstance(value, Numbers):
        config = {"value": list(value), "dtype": value.dtype or "float32"}
        return {"class_name": "__numpy__", "config": config}
    return value


def options_in_call(layer: KerasLayer) -> dict[str, Any]:
    """The options of an operation that are arguments of its call."""
    names = {name for name, *_ in _operation(layer)["call"]}
    return {key: value_of(x) for key, x in layer.config.items() if key in names}


def _operation(layer: KerasLayer) -> Mapping[str, Any]:
    facts = target.operation(layer.class_name)
    assert facts is not None  # ``core`` has refused all others
    return facts


def options_of(layer: KerasLayer) -> dict[str, Any]:
    """The options of a layer, with every key that Keras 3 always writes."""
    if layer.class_name.startswith("ops."):
        defaults = {key: default for key, *default in _operation(layer)["options"]}
        options = {key: default[0] for key, default in defaults.items() if default}
        given = {key: x for key, x in layer.config.items() if key in defaults}
        return {"name": layer.name, **options, **given}
    given = {**layer.config, **layer.training, "name": layer.name}
    if layer.class_name == "InputLayer":
        dtype = named_type(given.get("dtype")) or "float32"
        shape = {"batch_shape": list(given["batch_shape"]), "dtype": dtype}
        others = {"sparse": False, "ragged": False, "optional": False}
        return {**shape, **others, "name": layer.name}
    if target.is_own(layer.class_name):
        options = {key: x for key, x in given.items() if key not in OF_INPUTS}
        return {**options, "dtype": policy(given.get("dtype") or "float32")}
    known = target.classes()[layer.class_name]
    options = {}
    for key, default in known.always.items():
        if key in CHILDREN:
            continue
        if key in given:
            options[key] = _value(layer.class_name, key, given[key], default)
        elif default:
            options[key] = default[0]
        elif key in DEFAULTS:
            options[key] = DEFAULTS[key]
    for key in sorted(known.sometimes & given.keys()):
        options[key] = _value(layer.class_name, key, given[key], ())
    options["dtype"] = policy(given.get("dtype") or "float32")
    return options


def _value(class_name: str, key: str, value: Any, default: tuple[Any, ...]) -> Any:
    """The value of an option in Keras 3's form."""
    if key in OBJECTS:
        try:
            return object_of(key, value)
        except NoForm:
            return default[0] if default else None
    if key.endswith("activation"):
        return _function(value)
    if class_name == "BatchNormalization" and key == "axis" and isinstance(value, list):
        return value[0]
    return value


def _function(value: Any) -> Any:
    """An activation: the name of a function, or a layer that is one."""
    if not isinstance(value, dict):
        own = isinstance(value, str) and value not in FUNCTIONS
        return own_function(value) if own else value
    if value.get("class_name") == "function":
        name = value.get("config")
        return name if name in FUNCTIONS else own_function(name)
    config, training = split(value["config"])
    layer = KerasLayer(value["class_name"], "activation", config, training=training)
    record = {"module": "keras.layers", "class_name": layer.class_name}
    return {**record, "config": options_of(layer), "registered_name": None}


def own_function(name: Any) -> dict[str, Any]:
    """The record of a function of the user's own."""
    record = {"module": "builtins", "class_name": "function", "config": name}
    return {**record, "registered_name": "function"}


def unkept(layer: KerasLayer) -> Iterator[str]:
    """Options that act in training only and that Keras 3 has no form for."""
    if layer.class_name == "InputLayer" or target.is_own(layer.class_name):
        return
    known = target.classes()[layer.class_name]
    for key, value in layer.training.items():
        if value is None or key in UNMARKED:
            continue
        if key not in known.always and key not in known.sometimes:
            yield key
        elif key in OBJECTS:
            try:
                object_of(key, value)
            except NoForm:
                yield key


def unwritten(layer: KerasLayer) -> Iterator[tuple[str, Any, str]]:
    """Options that decide numbers and that Keras 3 has no form for: key, value, why."""
    if layer.class_name.startswith("ops."):
        facts = _operation(layer)
        names = {name for name, *_ in (*facts["call"], *facts["options"])}
        for key, value in layer.config.items():
            if key not in names and key not in ("name", *COMPARED):
                yield key, value, NO_OPTION
        return
    known = target.classes()[layer.class_name]
    for key, value in layer.config.items():
        axes = value if key == "axis" and isinstance(value, list) else [key]
        if layer.class_name == "BatchNormalization" and len(axes) != 1:
            yield key, value, "Keras 3 normalizes over one axis only"
        if key in LEGAL and isinstance(value, str) and value not in LEGAL[key]:
            yield key, value, "Keras 3 does not have this value of it"
        if key in known.always or key in known.sometimes or key in HARMLESS:
            continue
        if key in COMPARED:
            continue
        if any(value is legal for legal in SAID.get(key, ())):
            continue
        yield key, value, NO_OPTION
