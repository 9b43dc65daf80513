"""Legacy HDF5: a whole model, or the weights of one, grouped by layer.

attribute model_config     the architecture as JSON (a whole model)
model_weights/             in a weights file the root itself
    attribute layer_names      the layers in order
    <layer>/
        attribute weight_names     paths below the group, in order
        <path>                     an array
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gru2np.ir import GroupStore, RawModel
from gru2np.readers import not_yet
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.hdf5 import MOST_NAMES, SafeHdf5
from gru2np.readers.safe.json_text import architecture
from gru2np.readers.safe.window import sha256
from gru2np.readers.source import SAVE

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.ir import StoredTensor
    from gru2np.readers.source import Source

_OWN_WEIGHTS = "top_level_model_weights"


def kind_of(file: SafeHdf5) -> str:
    """``model``, ``weights`` or ``paths``, by content."""
    root, where = file.root, file.where
    if file.has(root, "model_config"):
        return "model"
    if _lists_layers(file, root):
        return "weights"
    if file.has(root, "nb_layers"):
        not_yet.ancient(where)
    for name in ("_layer_checkpoint_dependencies", "layers", "vars"):
        if file.child(root, name, where) is not None:
            return "paths"
    names = file.children(root, where)
    if "model_weights" in names:  # the rest of a save that failed
        return "weights"
    got = f"HDF5 with {shown(names[:5]) if names else 'nothing in it'}"
    raise broken(where, "a Keras model", got, SAVE)


def read(source: Source, stack: ExitStack) -> RawModel:
    """A whole model, its weights checked but not read."""
    file = SafeHdf5(source.window, source.name, stack)
    kind = kind_of(file)
    if kind != "model":
        raise broken(
            source.name,
            "a model with its architecture (attribute `model_config`)",
            "weights alone",
            "pass the architecture, written by model.to_json(), as the model and this "
            "file with --weights (in Python, weights=)",
        )
    if file.child(file.root, "model_weights", file.where) is None:
        advice = "saving was cut short, save it again"
        raise broken(source.name, "the group `model_weights`", "none", advice)
    keras_version, backend = versions(file)
    groups = read_groups(file)
    text = file.text(file.root, "model_config", file.where)
    return RawModel(
        config=architecture((text or "").encode(), f"{source.name} model_config"),
        groups=groups,
        keras_version=keras_version,
        backend=backend,
        container="hdf5",
        file_name=source.name,
        sha256=sha256(source.window),
    )


def versions(file: SafeHdf5) -> tuple[str | None, str | None]:
    """The ``keras_version`` and backend of the root, else of the group of weights."""
    texts: list[str | None] = []
    for name in ("keras_version", "backend"):
        text = file.text(file.root, name, file.where)
        if text is None and (weights := _weights(file)) is not file.root:
            text = file.text(weights, name, f"{file.where}/model_weights")
        texts.append(text)
    return texts[0], texts[1]


def read_groups(file: SafeHdf5) -> GroupStore:
    """The weights of every layer, checked but not read."""
    top = _weights(file)
    where = file.where if top is file.root else f"{file.where}/model_weights"
    layers = file.names(top, "layer_names", where)
    if layers is None:
        advice = "saving was cut short, save it again"
        raise broken(where, "the attribute `layer_names`", "none", advice)
    _check_distinct(layers, f"{where} attribute layer_names")
    if _OWN_WEIGHTS not in layers:
        top_level = file.group(top, _OWN_WEIGHTS, where)
        if top_level is not None and file.names(top_level, "weight_names", where):
            not_yet.top_level_weights(file.where)
    groups = []
    total = 0
    for layer in layers:
        arrays = _layer(file, top, layer, where)
        total += len(arrays)
        if total > MOST_NAMES:
            raise broken(where, f"at most {MOST_NAMES} arrays", "more")
        groups.append((layer, arrays))
    return GroupStore(tuple(groups))


def _weights(file: SafeHdf5) -> Any:
    """The group that holds the layers: in a weights file, the root."""
    if _lists_layers(file, file.root):
        return file.root
    return file.group(file.root, "model_weights", file.where) or file.root


def _lists_layers(file: SafeHdf5, group: Any) -> bool:
    return file.has(group, "layer_names") or file.has(group, "layer_names0")


def _layer(
    file: SafeHdf5, top: Any, layer: str, where: str
) -> tuple[StoredTensor, ...]:
    group = file.group(top, layer, where)
    where = f"{where}/{layer}"
    names = None if group is None else file.names(group, "weight_names", where)
    if names is None:
        got = "no such group" if group is None else "no list of them"
        advice = "the file is damaged, or its saving was cut short: save it again"
        raise broken(where, "the weights of a layer", got, advice)
    _check_distinct(names, f"{where} attribute weight_names")
    return tuple(file.tensor(group, name, where) for name in names)


def _check_distinct(names: list[str], where: str) -> None:
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        # Keras stores the first array of that name, and fails at the second.
        advice = (
            "saving was cut short, as of some layers in Keras 3.0 to 3.2: arrays are "
            'missing, save the model again with model.save("model.keras")'
        )
        raise broken(where, "each name once", f"{shown(twice)} twice", advice)
