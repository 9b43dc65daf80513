"""Files that attack Keras' loaders, by the rows of ``docs/threats.py``.

Every builder writes a model into a folder it is given and returns its path.  What the
file would run, open or make is ``canary`` in that folder.
"""

from __future__ import annotations

import base64
import io
import marshal
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import checkpoint_writer
import goldens
import hostile
import lambda_models
import small_models
from attack import Attack
from gru2np.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[[Path], Path]

CANARY = "canary"
#: In place of a refusal: the model converts, and its canary is left alone.
HONEST = ""


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
        records = [lambda_models.record(*lambda_models.source()[:3])]
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
    """A layer of Keras 3, by default called ``own``; ``keys`` are of its record."""

    def make(folder: Path) -> dict[str, Any]:
        config = {
            "name": "own",
            "trainable": True,
            "dtype": lambda_models.FLOAT32,
            **options(folder),
        }
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


#: What Keras 3.15 writes of a lookup or of a vectorization.
LOOKUP = {
    **dict.fromkeys(("invert", "sparse", "pad_to_max_tokens", "ragged"), False),
    **dict.fromkeys(("max_tokens", "mask_token", "idf_weights", "salt", "ngrams")),
    **dict.fromkeys(("output_sequence_length", "vocabulary_size", "split")),
    "num_oov_indices": 1,
    "oov_token": -1,
    "output_mode": "int",
    "vocabulary_dtype": "int64",
    "oov_method": "floormod",
    "encoding": "utf-8",
    "standardize": "lower",
}


def _vocabulary(class_name: str, value: str | None = None) -> Build:
    def options(folder: Path) -> dict[str, Any]:
        (folder / CANARY).write_text("1\n2\n")
        return {**LOOKUP, "vocabulary": value or str(folder / CANARY)}

    return _keras_3(_layer(class_name, options))


def _outside_assets(folder: Path) -> Path:
    path = folder / "model"
    shutil.copytree(goldens.FIXTURES / "keras-3.15" / "gru_directory" / "model", path)
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


def _of_hostile(*names: str) -> dict[str, Attack]:
    """Files of the tables of hostile files, each with a canary of its own."""
    return {name: hostile.ATTACKS[name] for name in names}


def _refused(build: Build, message: str) -> Attack:
    return Attack(build, message, UnsupportedModelError)


def _never_run(build: Build) -> Attack:
    return _refused(build, "(Lambda): Python code, which is never run from a file")


#: By the key of a row, files by what they are; ``HONEST`` for one that converts.
FILES: dict[str, dict[str, Attack]] = {
    "bytecode": {
        "Lambda in .keras": _never_run(_keras_3(_layer("Lambda", _by_code))),
        "Lambda in .h5": _never_run(_lambda_h5),
    },
    "module": {
        "function of subprocess": _never_run(
            _keras_3(_calling("subprocess", "check_output", args=["touch", CANARY]))
        ),
        "eval": _never_run(_keras_3(_calling("builtins", "eval", source="1"))),
        "function of os in .h5": _never_run(_function_h5),
        "class of another package": _refused(
            _keras_3(_layer("Dense", lambda _: {"units": 1}, module="antigravity")),
            "(antigravity>Dense): a custom class, from antigravity",
        ),
    },
    "function": {
        "get_file": _never_run(
            _keras_3(_calling("keras.utils", "get_file", origin="https://x.invalid/x"))
        ),
        "load_model": _never_run(
            _keras_3(_calling("keras.saving", "load_model", filepath="x.h5"))
        ),
    },
    "guard": {
        "guard off, then code": _never_run(
            _keras_3(
                _calling("keras.config", "enable_unsafe_deserialization"),
                _layer("Lambda", lambda folder: {**_by_code(folder), "name": "b"}),
            )
        ),
    },
    "pickle": {
        "TorchModuleWrapper": _refused(
            _keras_3(_layer("TorchModuleWrapper", _torch)),
            "(TorchModuleWrapper): a program of another framework, which is never run",
        ),
        "weights as npz": _refused(_pickled_weights, "only pickle can read"),
        "pickle called .h5": Attack(_pickle_alone, "got a pickle"),
        **_of_hostile("object array"),
    },
    "graph": {
        "TFSMLayer": _refused(
            _foreign_graph,
            "(TFSMLayer): a program of another framework, which is never run",
        ),
    },
    "vocabulary": {
        "IntegerLookup of a file": _refused(
            _vocabulary("IntegerLookup"),
            "the vocabulary is in another file than the architecture",
        ),
        "StringLookup of a file": _refused(
            _vocabulary("StringLookup"), "(StringLookup): strings are not supported"
        ),
        "StringLookup of an address": _refused(
            _vocabulary("StringLookup", "http://169.254.169.254/latest/meta-data"),
            "(StringLookup): strings are not supported",
        ),
        "TextVectorization of a file": _refused(
            _vocabulary("TextVectorization"),
            "(TextVectorization): strings are not supported",
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
    "symlink": {"link among the assets": Attack(_outside_assets, HONEST)},
    "registered": {
        "Dense registered by another package": _refused(
            _registered(module="evil", registered_name="evil>Dense"),
            "(evil>Dense): a custom class, from evil",
        ),
        "Dense of Keras by another name": _refused(
            _registered(registered_name="evil>Dense"),
            "(evil>Dense): a custom class, from evil",
        ),
    },
    "format": {
        "SavedModel and Keras 3 in one folder": Attack(
            _two_formats, "expected a folder of one model, got saved_model.pb and"
        )
    },
    "twice": _of_hostile("duplicate member", "duplicate key", "overlapping members"),
}
