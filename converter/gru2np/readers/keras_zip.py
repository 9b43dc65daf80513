"""The ``.keras`` archive of tf.keras 2.12 and later, and of Keras 3.

metadata.json       the Keras version
config.json         the architecture
model.weights.h5    the weights, by path
assets/             files of layers that have them; never opened
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import RawModel
from gru2np.readers import _not_yet
from gru2np.readers._damage import broken, shown
from gru2np.readers._safe_hdf5 import SafeHdf5
from gru2np.readers._safe_json import MOST_BYTES, architecture, parse_object
from gru2np.readers._safe_zip import SafeZip
from gru2np.readers._window import sha256
from gru2np.readers.weights_h5 import Hdf5Paths

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.readers._source import Source

_WEIGHTS = "model.weights.h5"


def read(source: Source, stack: ExitStack) -> RawModel:
    """A whole model."""
    archive = SafeZip(source.window, source.name, stack)
    names = archive.names
    if "config.json" not in names:
        _refuse(source, names)
    if _WEIGHTS not in names:
        if "model.weights.npz" in names:
            _not_yet.pickled_weights(source.name)
        if "model.weights.json" in names:
            _not_yet.shards(source.name)
    where = f"{source.name} member"
    metadata = parse_object(
        archive.read("metadata.json", MOST_BYTES), f"{where} metadata.json"
    )
    keras_version = metadata.get("keras_version")
    if not isinstance(keras_version, str):
        got = shown(keras_version)
        raise broken(f"{where} metadata.json", "the Keras version", got)
    config = architecture(
        archive.read("config.json", MOST_BYTES), f"{where} config.json"
    )
    config.pop("compile_config", None)  # how it was trained: never read
    window = archive.window(_WEIGHTS, stack)
    weights = SafeHdf5(window, f"{source.name}/{_WEIGHTS}", stack)
    return RawModel(
        config=config,
        groups=None,
        paths=Hdf5Paths(weights, keras_version),
        keras_version=keras_version,
        backend=None,
        container="keras",
        file_name=source.name,
        sha256=sha256(source.window),
    )


def _refuse(source: Source, names: list[str]) -> None:
    got = f"a zip archive of {shown(names[:5])}"
    advice = "it holds no Keras model"
    if "manifest.json" in names:
        got = "a gru2np bundle"
        advice = "it is exported already: load it with gru2np_runtime.load()"
    elif any(name.endswith("/config.json") for name in names):
        advice = "it was zipped with its folder: zip what is in the folder"
    elif any(name.endswith("data.pkl") for name in names):
        got = "a PyTorch file"
    raise broken(source.name, "a .keras archive with config.json", got, advice)
