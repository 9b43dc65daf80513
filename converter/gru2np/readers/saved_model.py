"""A SavedModel folder of tf.keras 2.0 to 2.15: what ``model.save("name")`` wrote.

saved_model.pb        the version of TensorFlow; up to 2.4 the architecture; megabytes
                      of traced functions, which are never read
keras_metadata.pb     since 2.5, the architecture
variables/variables   the weights, a checkpoint
assets/               files of layers that have them; never opened

The architecture is the JSON of the object ``root``.  It is what an ``.h5`` of the same
Keras has, except that tuples and shapes are written as objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gru2np.errors import UnsupportedModelError
from gru2np.ir import RawModel
from gru2np.readers.checkpoint import VARIABLES, Checkpoint
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.json_text import checked, parse_object
from gru2np.readers.safe.protobuf import Message, parts
from gru2np.readers.safe.window import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Files

MODEL = "saved_model.pb"
METADATA = "keras_metadata.pb"
#: The largest object that is read; that of a model is its JSON.
MOST_OBJECT_BYTES = 16 << 20
_KERAS = "_tf_keras"
_MODELS = ("_tf_keras_sequential", "_tf_keras_network", "_tf_keras_model")
_WITHOUT_CONFIG = "layer was saved without config"
_REBUILD = (
    "build the model of layers with the functional API where its code is, set its "
    'weights, and save it with model.save("model.keras"), in TensorFlow up to 2.12 '
    'model.save("model.h5")'
)
_STATEFUL_NOTE = (
    "Keras goes on from the states that a stateful model had when this folder was "
    "saved; the bundle starts from zeros, as after reset_states()",
)


class _Record(NamedTuple):
    """The metadata of a Keras object.

    Attributes:
        kind: such as ``_tf_keras_sequential``.
        metadata: JSON.
    """

    kind: str
    metadata: bytes


def read(folder: Files, name: str, stack: ExitStack) -> RawModel:
    """A whole model.

    Args:
        folder: that holds ``saved_model.pb``.
        name: of the folder, for messages.
        stack: closes the files.
    """
    where = f"{name}/{MODEL}"
    with reading(where):
        version, objects = _version_and_objects(folder, where, stack)
    root = _root(folder, objects, name, stack)
    metadata = parse_object(root.metadata, f"{name} metadata of the model")
    config = _config(metadata, root, name)
    keras_version = metadata.get("keras_version")
    if not isinstance(keras_version, str | None):
        expected = "the version of Keras as text"
        raise broken(f"{name} metadata of the model", expected, shown(keras_version))
    weights = Checkpoint(folder, VARIABLES, stack)
    notes = _STATEFUL_NOTE if _is_stateful(config) else ()
    return RawModel(
        config=config,
        objects=weights,
        keras_version=keras_version,
        backend="tensorflow",
        tensorflow_version=version,
        container="savedmodel",
        file_name=name,
        sha256=sha256(*folder.windows()),
        notes=notes,
    )


def _version_and_objects(
    folder: Files, where: str, stack: ExitStack
) -> tuple[str, Window | None]:
    """The TensorFlow that wrote the model, and the list of its objects."""
    graphs = _field_values(folder.window(MODEL, stack), 2, where)
    if len(graphs) != 1:
        raise broken(where, "one graph", f"{len(graphs)}")
    version, objects = "", None
    for number, part in parts(graphs[0], where):
        if number == 1:
            version = _in_memory(part, where).text(5)
        elif number == 7 and objects is not None:
            raise broken(where, "one list of objects", "two")
        elif number == 7:
            objects = part
    return version, objects


def all_metadata(window: Window, where: str) -> Iterator[bytes]:
    """The JSON of every Keras object in ``saved_model.pb``, as TensorFlow up to 2.4
    wrote it there, or in ``keras_metadata.pb``.

    Raises:
        ModelFileError: the file is damaged.
    """
    with reading(where):
        if where.endswith(METADATA):
            for part in _field_values(window, 1, where):
                yield _in_memory(part, where).data(5)
            return
        for graph in _field_values(window, 2, where):
            for objects in _field_values(graph, 7, where):
                for part in _field_values(objects, 1, where):
                    for record in _in_memory(part, where).messages(4):
                        yield record.data(3)


def _field_values(message: Window, field: int, where: str) -> list[Window]:
    """The values of a field."""
    return [part for number, part in parts(message, where) if number == field]


def _in_memory(part: Window, where: str) -> Message:
    if part.size > MOST_OBJECT_BYTES:
        raise broken(where, f"at most {MOST_OBJECT_BYTES} bytes", str(part.size))
    return Message(part.at(0, part.size), where)


def _first_object(objects: Window, where: str) -> _Record | None:
    """The first object of ``saved_model.pb``, with metadata up to TensorFlow 2.4."""
    first = next((part for number, part in parts(objects, where) if number == 1), None)
    if first is not None:
        for record in _in_memory(first, where).messages(4):
            return _Record(record.text(1), record.data(3))
    return None


def _root_of_metadata(metadata: Window, where: str) -> _Record | None:
    """The object ``root`` of ``keras_metadata.pb``."""
    for number, part in parts(metadata, where):
        if number == 1:
            node = _in_memory(part, where)
            if node.text(3) == "root":
                return _Record(node.text(4), node.data(5))
    return None


def _root(
    folder: Files, objects: Window | None, name: str, stack: ExitStack
) -> _Record:
    """The metadata of the model itself."""
    root = None
    if folder.has(METADATA):
        where = f"{name}/{METADATA}"
        with reading(where):
            root = _root_of_metadata(folder.window(METADATA, stack), where)
    elif objects is not None:
        where = f"{name}/{MODEL}"
        with reading(where):
            root = _first_object(objects, where)
    if root is None or not root.kind.startswith(_KERAS):
        raise UnsupportedModelError(
            f"{name}: a SavedModel without a Keras model in it, as model.export() of "
            "Keras 3 and tf.saved_model.save write it: it holds functions and no "
            'layers; save the model itself with model.save("model.keras")'
        )
    if not root.metadata.strip():
        raise UnsupportedModelError(
            f"{name}: a SavedModel without {METADATA}, which has the architecture: it "
            "is missing, or tf.saved_model.save wrote the folder, which "
            "leaves it out; fetch the file that belongs here, or save the model itself "
            'with model.save("model.keras")'
        )
    if root.kind not in _MODELS:
        what = root.kind.removeprefix(f"{_KERAS}_").replace("_", " ")
        raise UnsupportedModelError(
            f"{name}: expected a Keras model, got a {what} saved alone; {_REBUILD}"
        )
    return root


def _config(metadata: dict[str, Any], root: _Record, name: str) -> dict[str, Any]:
    """The architecture as an ``.h5`` has it."""
    inner = metadata.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not layers and root.kind == "_tf_keras_model":
        raise UnsupportedModelError(
            f"{name}: {shown(metadata.get('class_name', 'the model'))} is a subclass "
            "of Model, so the file holds the name of the class and not its layers; "
            f"{_REBUILD}"
        )
    without = sorted(_without_config(metadata))
    if without:
        raise UnsupportedModelError(
            f"{name}: saved without their options, for their classes have no "
            f"get_config: {', '.join(without)}; give the classes a get_config where "
            "their code is, and save the model again"
        )
    plain = {
        key: _without_tuples(metadata.get(key)) for key in ("class_name", "config")
    }
    return checked(plain, f"{name} metadata of the model")


def _without_config(value: Any) -> Iterator[str]:
    """Names of layers that were saved without their options."""
    if isinstance(value, list):
        for item in value:
            yield from _without_config(item)
    elif isinstance(value, dict):
        inner = value.get("config")
        if isinstance(inner, dict) and _WITHOUT_CONFIG in inner:
            yield shown(value.get("name", value.get("class_name")))
        for item in value.values():
            yield from _without_config(item)


def _is_stateful(value: Any) -> bool:
    """Whether a layer in a configuration is stateful."""
    if isinstance(value, list):
        return any(map(_is_stateful, value))
    if isinstance(value, dict):
        return value.get("stateful") is True or any(map(_is_stateful, value.values()))
    return False


def _without_tuples(value: Any) -> Any:
    """Tuples and shapes as lists."""
    if isinstance(value, list):
        return [_without_tuples(item) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
            return _without_tuples(value["items"])
        return {key: _without_tuples(item) for key, item in value.items()}
    return value
