"""The members of a Keras 3 model, in an archive or a directory.

metadata.json       the Keras version
config.json         the architecture
model.weights.h5    the weights, by path; or model.weights.json and its shards
assets/             files of layers that have them; never opened
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import RawModel
from gru2np.readers import not_yet
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.json_text import MOST_BYTES, architecture, parse_object
from gru2np.readers.safe.window import sha256
from gru2np.readers.shards import ShardedPaths
from gru2np.readers.weights_h5 import Hdf5Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from gru2np.ir import PathStore
    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Members

CONFIG = "config.json"
METADATA = "metadata.json"
_WEIGHTS = "model.weights.h5"
_SHARDS = "model.weights.json"
_PICKLED = "model.weights.npz"
# Suffixes of files that may hold a model.
MODELS = (".keras", ".h5", ".hdf5")
WEIGHTS = (_WEIGHTS, _SHARDS, _PICKLED)


def read_model(
    members: Members,
    stack: ExitStack,
    file_name: str,
    windows: Callable[[], Sequence[Window]],
) -> RawModel:
    """A whole model.

    Args:
        members: its files.
        stack: closes them.
        file_name: of the archive or the directory.
        windows: returns the files whose SHA-256 identifies the model, after they were
            read.
    """
    metadata = parse_object(*_text(members, METADATA, stack))
    keras_version = metadata.get("keras_version")
    if not isinstance(keras_version, str):
        where = f"{members.where} member {METADATA}"
        raise broken(where, "the Keras version", shown(keras_version))
    config = architecture(*_text(members, CONFIG, stack))
    config.pop("compile_config", None)  # options of training
    return RawModel(
        config=config,
        paths=_paths(members, stack),
        keras_version=keras_version,
        backend=None,
        container="keras",
        file_name=file_name,
        sha256=sha256(*windows()),
    )


def _text(members: Members, name: str, stack: ExitStack) -> tuple[bytes, str]:
    return members.read(name, MOST_BYTES, stack), f"{members.where} member {name}"


def _paths(members: Members, stack: ExitStack) -> PathStore:
    if not members.has(_WEIGHTS):
        if members.has(_SHARDS):
            return ShardedPaths(members, _SHARDS, stack)
        if members.has(_PICKLED):
            not_yet.pickled_weights(members.where)
    window = members.window(_WEIGHTS, stack)
    return Hdf5Paths(SafeHdf5(window, f"{members.where}/{_WEIGHTS}", stack))
