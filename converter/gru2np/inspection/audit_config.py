"""What the JSON of a model asks a loader to run, open or fetch.

The JSON is walked as values, whatever its form: an architecture of any generation,
options of training, the record of a layer.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

from gru2np.errors import ModelFileError, shown
from gru2np.inspection.findings import Finding
from gru2np.readers.safe.json_text import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Packages that are Keras, as files of ten years spell them; the longest first.
_KERAS = (
    "tensorflow.python.keras.",
    "tensorflow.python.",
    "tensorflow.keras.",
    "tensorflow.",
    "tf_keras.src.",
    "tf_keras.",
    "keras.src.",
    "keras.api._v2.keras.",
    "keras.",
)
#: Parts of Keras that a model is made of: the first name below the package.
_PARTS = frozenset(
    {
        *("activations", "constraints", "initializers", "losses", "metrics"),
        *("optimizers", "regularizers", "ops", "layers", "models", "engine"),
        *("dtype_policies", "mixed_precision", "quantizers", "random", "trainers"),
        *("optimizer_v1", "optimizer_v2", "legacy", "framework", "feature_column"),
        *("training", "backend", "wrappers"),
    }
)
#: Classes of Keras whose options a loader runs or opens.
_CLASSES = {
    "TorchModuleWrapper": ("pickle", "a module of PyTorch, stored as a pickle"),
    "TFSMLayer": ("graph", "a SavedModel that the layer loads and runs"),
}
#: Options that name a file, by their keys.
_FILES = frozenset(
    {"vocabulary", "filepath", "file_path", "filename", "origin", "cache_dir", "path"}
)
#: Names that tf.keras itself registers, and writes into options of training.
_REGISTERED = frozenset(
    f"Custom>{name}"
    for name in (
        *("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl"),
        *("Lion", "Nadam", "RMSprop", "SGD"),
    )
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PATH = re.compile(r"(/|~|\\\\|[A-Za-z]:[\\/]|\.\.?[\\/])|.*[\\/]\.\.[\\/]")
#: JSON in a string in JSON in a string.
_MOST_INSIDE = 4


def in_json(data: bytes, part: str) -> Iterator[Finding]:
    """What JSON asks for; JSON that cannot be read is a finding.

    Args:
        data: the JSON.
        part: what holds it.
    """
    try:
        value = parse(data, part or "the file")
    except ModelFileError as error:
        yield Finding("unread", part, "", str(error))
        return
    yield from _in_value(value, part, (), "", 0)


def _in_value(
    value: Any, part: str, keys: tuple[str, ...], owner: str, inside: int
) -> Iterator[Finding]:
    """What a value and all in it ask for.

    Args:
        value: of JSON.
        part: what holds the JSON.
        keys: that lead to the value.
        owner: the layer that the value is of.
        inside: how many strings of JSON it is in.
    """
    if isinstance(value, dict):
        owner = _owner(value) or owner
        for rule, key, text in _in_object(value):
            place = "/".join((*keys, key) if key else keys)
            yield Finding(rule, part, place, f"{owner}{text}")
        for key, item in value.items():
            yield from _in_value(item, part, (*keys, key), owner, inside)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _in_value(item, part, (*keys, str(index)), owner, inside)
    elif isinstance(value, str):
        place = "/".join(keys)
        if value.lstrip().startswith(("{", "[")) and '"' in value:
            yield from _in_string(value, part, keys, owner, inside)
        elif _URL.match(value):
            yield Finding("url", part, place, f"{owner}{shown(value)}")
        elif is_path(value) or (value and keys and keys[-1] in _FILES):
            yield Finding("path", part, place, f"{owner}{shown(value)}")


def is_path(text: str) -> bool:
    """Whether a text leads out of the folder of a model."""
    # Bytecode of Keras 1 is text too, with the path of its source in it.
    return text.isprintable() and _PATH.match(text) is not None


def _in_string(
    text: str, part: str, keys: tuple[str, ...], owner: str, inside: int
) -> Iterator[Finding]:
    """What JSON in a string asks for; other text is text."""
    try:
        value = parse(text.encode(), part)
    except ModelFileError:
        return
    if inside == _MOST_INSIDE:
        yield Finding("unread", part, "/".join(keys), "JSON in strings, too deep")
        return
    yield from _in_value(value, part, keys, owner, inside + 1)


def _owner(record: dict[str, Any]) -> str:
    """The layer of a record, for the text of a finding."""
    config = record.get("config")
    if not isinstance(record.get("class_name"), str) or not isinstance(config, dict):
        return ""
    name = config.get("name", record.get("name"))
    return f"layer {shown(name)}: " if isinstance(name, str) else ""


def _in_object(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Rule, key and text of what one object asks for, apart from what is in it."""
    kind = record.get("class_name")
    config = record.get("config")
    if kind == "__lambda__":
        yield "bytecode", "config", "a function without a name, as bytecode"
    yield from _of_lambda(record)
    if not isinstance(kind, str):
        return
    if kind in _CLASSES:
        rule, text = _CLASSES[kind]
        yield rule, "config", text
    name = config if kind == "function" and isinstance(config, str) else kind
    yield from _of_module(record.get("module"), name, kind == "function")
    key = "class_name" if name is kind else "config"
    yield from _of_registration(name, key, record.get("registered_name"))


def _of_lambda(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What the options of a Lambda layer before Keras 3 ask for."""
    for key, value in config.items():
        if not key.endswith("_type"):
            continue
        own = key.removesuffix("_type")
        if value == "lambda" and config.get(own):
            yield "bytecode", own, "a function without a name, as bytecode"
        elif value == "function" and isinstance(config.get(own), str):
            # The module of the function itself has no prefix.
            module = config.get("module" if own == "function" else f"{own}_module")
            if isinstance(module, str) and not _of_keras(module):
                text = f"the function {shown(config[own])} of {shown(module)}"
                yield "module", own, text


def _of_module(
    module: Any, name: str, is_function: bool
) -> Iterator[tuple[str, str, str]]:
    """What the module of a class or function asks for."""
    if not isinstance(module, str):
        return
    text = f"{shown(name)} of the module {shown(module)}"
    if module == "builtins" and is_function:
        # Keras means its own functions, and up to 3.8 fell back to Python's.
        if hasattr(builtins, name):
            yield "module", "module", f"Python's own function {shown(name)}"
    elif not _of_keras(module):
        yield "module", "module", text
    elif not _is_part(module, name, is_function):
        yield "function", "module", text


def _of_keras(module: str) -> bool:
    return f"{module}.".startswith(_KERAS)


def _is_part(module: str, name: str, is_function: bool) -> bool:
    """Whether a name in a module of Keras is a part that a model is made of."""
    below = next(
        f"{module}.".removeprefix(root)
        for root in _KERAS
        if f"{module}.".startswith(root)
    )
    first = below.partition(".")[0]
    # Classes of the package itself: Model, Sequential, DTypePolicy.
    own = not first and not is_function
    classes = name[:1].isupper() or name[:2] == "__"
    if not is_function and not classes:
        return False
    return own or first in _PARTS


def _of_registration(
    name: str, key: str, registered: Any
) -> Iterator[tuple[str, str, str]]:
    """What a registered name asks for, and a class or function by its registered name.

    Args:
        name: of the class or function.
        key: of the name.
        registered: the registered name, if there is one.
    """
    if ">" in name:
        registered, name = name, name.rpartition(">")[2]
    else:
        key = "registered_name"
    own = (name, "function")
    if isinstance(registered, str) and registered not in (*own, *_REGISTERED):
        yield "registered", key, f"{shown(name)}, registered as {shown(registered)}"
