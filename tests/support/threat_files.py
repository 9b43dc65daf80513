"""Files that attack Keras' loaders, by the rows of ``docs/threats.py``.

Every builder writes a model into a folder it is given and returns its path.  What the
file would run, open or make is ``canary`` in that folder.
"""

from __future__ import annotations

import base64
import io
import marshal
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import checkpoint_writer
import hostile
import lambda_models
import small_models

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[[Path], Path]

CANARY = "canary"


class Planted:
    """What makes the canary when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def bytecode(folder: Path) -> str:
    """Code that makes the canary, as Keras stores a function."""
    text = f"open({str(folder / CANARY)!r}, 'w')"
    return base64.b64encode(marshal.dumps(compile(text, "x", "eval"))).decode()


def _keras_3(*layers: Callable[[Path], dict[str, Any]]) -> Build:
    """A ``.keras`` file of a Sequential model, whose layers know the folder."""

    def build(folder: Path) -> Path:
        source = {"batch_shape": [None, None, 3], "dtype": "float32", "name": "x"}
        records = [lambda_models.record("x", "InputLayer", source)]
        records += [layer(folder) for layer in layers]
        config = {
            "module": "keras",
            "class_name": "Sequential",
            "config": {"name": "m", "trainable": True, "layers": records},
            "registered_name": None,
        }
        path = folder / "model.keras"
        path.write_bytes(lambda_models.packed(config))
        return path

    return build


def _layer(
    class_name: str, options: Callable[[Path], dict[str, Any]], **keys: Any
) -> Callable[[Path], dict[str, Any]]:
    """A layer of Keras 3; ``keys`` are of its record."""

    def make(folder: Path) -> dict[str, Any]:
        config = {"name": "own", "trainable": True, **options(folder)}
        return {**lambda_models.record("own", class_name, config), **keys}

    return make


def _calling(module: str, name: str, **arguments: Any) -> Any:
    """A Lambda layer whose function is one of a module, by its name."""
    function = {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }
    return _layer("Lambda", lambda _: {"function": function, "arguments": arguments})


def _by_code(folder: Path) -> dict[str, Any]:
    value = {"code": bytecode(folder), "defaults": None, "closure": None}
    function = {"class_name": "__lambda__", "config": {"value": value, **value}}
    return {"function": function, "arguments": {}}


def _lambda_h5(folder: Path) -> Path:
    kind, options = lambda_models.own_2("own", lambda x: x)
    options["function"] = [bytecode(folder), None, None]
    path = folder / "model.h5"
    path.write_bytes(lambda_models.keras_2((kind, options)))
    return path


def _function_h5(folder: Path) -> Path:
    kind, options = lambda_models.own_2("own", lambda x: x)
    options.update(function="system", function_type="function", module="os")
    path = folder / "model.h5"
    path.write_bytes(lambda_models.keras_2((kind, options)))
    return path


def _pickled_weights(folder: Path) -> Path:
    out = io.BytesIO()
    np.savez(out, a=np.array([Planted(folder / CANARY)], dtype=object))
    given = small_models.members(model__weights__h5=None)
    given["model.weights.npz"] = out.getvalue()
    return small_models.write_zip(folder / "model.keras", given)


def _pickle_alone(folder: Path) -> Path:
    path = folder / "model.h5"
    path.write_bytes(pickle.dumps(Planted(folder / CANARY)))
    return path


def _torch(folder: Path) -> dict[str, Any]:
    data = pickle.dumps(Planted(folder / CANARY))
    return {"module": base64.b64encode(data).decode()}


def _saved(folder: Path) -> Path:
    """A SavedModel in the folder of the canary."""
    return checkpoint_writer.write(folder / CANARY, checkpoint_writer.saved_model())


def _foreign_graph(folder: Path) -> Path:
    _saved(folder)
    path = str(folder / CANARY)
    options = {"filepath": path, "call_endpoint": "serve"}
    return _keras_3(_layer("TFSMLayer", lambda _: options))(folder)


def _vocabulary(class_name: str, value: str | None = None) -> Build:
    def options(folder: Path) -> dict[str, Any]:
        (folder / CANARY).write_text("1\n2\n")
        return {"vocabulary": value or str(folder / CANARY)}

    return _keras_3(_layer(class_name, options))


def _outside_assets(folder: Path) -> Path:
    path = small_models.write_folder(folder / "model", small_models.members())
    (folder / CANARY).write_text("secret")
    (path / "assets").mkdir()
    (path / "assets" / "vocabulary.txt").symlink_to(folder / CANARY)
    return path


def _two_formats(folder: Path) -> Path:
    path = checkpoint_writer.write(folder / "model", checkpoint_writer.saved_model())
    return small_models.write_folder(path, small_models.members())


def _registered(**keys: Any) -> Build:
    options = {"units": 2, "activation": "linear", "use_bias": False}
    return _keras_3(_layer("Dense", lambda _: options, **keys))


def _of_hostile(*names: str) -> dict[str, Build]:
    """Files of the tables of hostile files, each with a canary of its own."""
    return {name: hostile.ATTACKS[name].build for name in names}


#: By the key of a row, files by what they are.
FILES: dict[str, dict[str, Build]] = {
    "bytecode": {
        "Lambda in .keras": _keras_3(_layer("Lambda", _by_code)),
        "Lambda in .h5": _lambda_h5,
    },
    "module": {
        "function of subprocess": _keras_3(
            _calling("subprocess", "check_output", args=["touch", CANARY])
        ),
        "class of another package": _keras_3(
            _layer("Dense", lambda _: {"units": 1}, module="antigravity")
        ),
        "eval": _keras_3(_calling("builtins", "eval", source="1")),
        "function of os in .h5": _function_h5,
    },
    "function": {
        "get_file": _keras_3(
            _calling("keras.utils", "get_file", origin="https://example.invalid/x.tar")
        ),
        "load_model": _keras_3(_calling("keras.saving", "load_model", filepath="x.h5")),
    },
    "guard": {
        "guard off, then code": _keras_3(
            _calling("keras.config", "enable_unsafe_deserialization"),
            _layer("Lambda", _by_code),
        ),
    },
    "pickle": {
        "TorchModuleWrapper": _keras_3(_layer("TorchModuleWrapper", _torch)),
        "weights as npz": _pickled_weights,
        "pickle called .h5": _pickle_alone,
        **_of_hostile("object array"),
    },
    "graph": {
        "TFSMLayer": _foreign_graph,
    },
    "vocabulary": {
        "StringLookup of a file": _vocabulary("StringLookup"),
        "IntegerLookup of a file": _vocabulary("IntegerLookup"),
        "TextVectorization of a file": _vocabulary("TextVectorization"),
        "StringLookup of an address": _vocabulary(
            "StringLookup", "http://169.254.169.254/latest/meta-data"
        ),
    },
    "hdf5": _of_hostile(
        *("external link", "external link as root of the weights"),
        *("external data", "virtual data", "virtual data without end"),
        *("unknown filter", "external link in a shard"),
    ),
    "soft": _of_hostile("soft link"),
    "bomb": _of_hostile(
        *("huge shape", "huge shape in chunks", "shape of too many chunks"),
        *("chunk that unpacks to more", "compressed zeros", "text with a lying length"),
        *("bomb as weights", "bomb as architecture", "gz that swells", "deep JSON"),
    ),
    "member": _of_hostile(
        *("climbing name", "absolute member", "drive name", "backslash name"),
    ),
    "name": _of_hostile(
        *("name that climbs", "absolute name", "climbing shard", "absolute shard"),
    ),
    "symlink": {"link among the assets": _outside_assets},
    "registered": {
        "Dense registered by another package": _registered(
            module="evil", registered_name="evil>Dense"
        ),
        "Dense of Keras by another name": _registered(registered_name="evil>Dense"),
    },
    "format": {"SavedModel and Keras 3 in one folder": _two_formats},
    "twice": _of_hostile("duplicate member", "duplicate key", "overlapping members"),
}
