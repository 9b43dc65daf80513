"""Directories and sharded weights that attack a reader."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import h5py

from attack import Attack
from gru2np.errors import UnsupportedModelError
from small_models import BIAS, KERNEL, members, weights_bytes, write_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DENSE = "/layers/dense/vars"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"

# Honest ones


def shard(path: str, **arrays: Any) -> bytes:
    """A shard with the given variables of one object, ``_0`` as ``0``."""

    def write(file: h5py.File) -> None:
        group = file.create_group(path)
        for name, array in arrays.items():
            group[name.removeprefix("_")] = array

    return weights_bytes(write)


def shards(weight_map: Any = None, **changed: bytes | None) -> dict[str, bytes]:
    """A model whose kernel is in one shard and whose bias is in another."""
    names = ["model_00000.weights.h5", "model_00001.weights.h5"]
    given = {_DENSE: names} if weight_map is None else weight_map
    index = {"metadata": {"total_size": 36}, "weight_map": given}
    files: dict[str, bytes | None] = {
        **members(model__weights__h5=None),
        "model.weights.json": json.dumps(index).encode(),
        names[0]: shard(_DENSE, _0=KERNEL),
        names[1]: shard(_DENSE, _1=BIAS),
    }
    files.update({name.replace("__", "."): data for name, data in changed.items()})
    return {name: data for name, data in files.items() if data is not None}


# Edits


def folder(
    given: Callable[[], dict[str, bytes]], edit: Callable[[Path], None] | None = None
) -> Callable[[Path], Path]:
    """A model as a directory, after an edit."""

    def build(above: Path) -> Path:
        (above / "canary.h5").write_bytes(shard(_DENSE, _0=KERNEL, _1=BIAS))
        path = write_folder(above / "model", given())
        if edit is not None:
            edit(path)
        return path

    return build


def sharded(weight_map: Any = None, **changed: bytes | None) -> Callable[[Path], Path]:
    """A model in shards, with the map or some files changed."""
    return folder(lambda: shards(weight_map, **changed))


def named(name: Any) -> Callable[[Path], Path]:
    """A model whose map names one shard."""
    return sharded({_DENSE: name})


# What is wrong


def _pipe(path: Path) -> None:
    (path / "model.weights.h5").unlink()
    # Not everywhere are there pipes by name; a directory is no file either.
    getattr(os, "mkfifo", os.mkdir)(path / "model.weights.h5")


def _dangling(path: Path) -> None:
    (path / "config.json").unlink()
    (path / "config.json").symlink_to(path / "nowhere")


def _same_file(path: Path) -> None:
    (path / "config.json").unlink()
    (path / "config.json").symlink_to("metadata.json")


def _same_shard(path: Path) -> None:
    (path / "model_00001.weights.h5").unlink()
    os.link(path / "model_00000.weights.h5", path / "model_00001.weights.h5")


def _external_shard(path: Path) -> None:
    with h5py.File(path / "model_00001.weights.h5", "w") as file:
        canary = path.parent / "canary.h5"
        file["layers/dense"] = h5py.ExternalLink(canary, "/layers/dense")


def _old_names(path: Path) -> None:
    with h5py.File(path / "model_00001.weights.h5", "w") as file:
        file["_layer_checkpoint_dependencies/dense/vars/1"] = BIAS


def _many_shards() -> dict[str, list[str]]:
    return {f"/layers/dense_{i}/vars": [f"s_{i}"] for i in range(501)}


_FIRST, _SECOND = "model_00000.weights.h5", "model_00001.weights.h5"

ATTACKS = {
    # Directories
    "pipe as weights": Attack(folder(members, _pipe), "expected config.json and model"),
    "link to nowhere": Attack(folder(members, _dangling), "got a directory of"),
    "one file by two names": Attack(
        folder(members, _same_file),
        "expected a file of its own by the name config.json, got metadata.json again",
    ),
    "large file in a directory": Attack(
        folder(lambda: members(config__json=b"{" + b" " * (9 << 20) + b"}")),
        "member config.json: expected at most 8388608 bytes",
    ),
    "pointer as weights": Attack(
        folder(lambda: members(model__weights__h5=_POINTER)), "got a Git LFS pointer"
    ),
    "directory without metadata": Attack(
        folder(lambda: members(metadata__json=None)),
        "expected a file metadata.json, got no such file",
    ),
    "weights as npz in a directory": Attack(
        folder(lambda: members(model__weights__h5=None, model__weights__npz=b"PK")),
        "which only pickle can read",
        UnsupportedModelError,
    ),
    # Shards: what leads out of the directory
    "climbing shard": Attack(named("../canary.h5"), "the bare name of a file"),
    "shard in a directory": Attack(named("model/x.h5"), "the bare name of a file"),
    "absolute shard": Attack(named("/etc/passwd"), "the bare name of a file"),
    "shard on a drive": Attack(named("C:x.h5"), "the bare name of a file"),
    "shard with backslashes": Attack(named("..\\x.h5"), "the bare name of a file"),
    "shard with NUL": Attack(named("x\0.h5"), "the bare name of a file"),
    "shard without a name": Attack(named([""]), "the bare name of a file"),
    "parent as shard": Attack(named([_FIRST, ".."]), "the bare name of a file"),
    "number as shard": Attack(named(3), "the bare name of a file, got 3"),
    "external link in a shard": Attack(
        folder(shards, _external_shard), "got an external link"
    ),
    # Shards: what is not there, or more than once
    "missing shard": Attack(
        sharded(model_00001__weights__h5=None),
        f"model.weights.json: expected the shard {_SECOND} in the same folder",
    ),
    "no shards": Attack(named([]), "expected 1 to 500 shards, got 0"),
    "many shards": Attack(sharded(_many_shards()), "expected at most 500 shards"),
    "shard named twice": Attack(named([_FIRST, _FIRST]), "expected each shard once"),
    "one shard by two names": Attack(
        folder(shards, _same_shard), "expected a file of its own"
    ),
    "variable in two shards": Attack(
        sharded(model_00001__weights__h5=shard(_DENSE, _0=KERNEL, _1=BIAS)),
        f"expected each variable in one shard, got 0 in {_SECOND} again",
    ),
    "variable in no shard": Attack(
        sharded(model_00001__weights__h5=shard(_DENSE, _2=BIAS)),
        "layers/dense/vars: expected the arrays 0 to 1, got '2'",
    ),
    "shard without what the map says": Attack(
        sharded(model_00001__weights__h5=shard("/layers/gru/vars")),
        f"expected variables in {_SECOND}, got none there",
    ),
    "shard with what the map does not say": Attack(
        sharded(model_00001__weights__h5=shard("/layers/gru/vars", _0=BIAS)),
        f"expected variables in {_SECOND}, got none there",
    ),
    "shard that the map forgets": Attack(
        sharded({_DENSE: [_FIRST], "/optimizer/vars": [_SECOND]}),
        f"layers/dense/vars: expected none in {_SECOND}, got some there",
    ),
    "object that the map forgets": Attack(
        sharded(
            {_DENSE: _FIRST},
            model_00000__weights__h5=shard(_DENSE, _0=KERNEL, _1=BIAS),
            model_00001__weights__h5=shard("/layers/gru/vars", _0=BIAS),
        ),
        f"layers/gru/vars: expected none in {_SECOND}, got some there",
    ),
    # Shards: other things than expected
    "list as map": Attack(sharded([_DENSE]), "expected a map of weights to shards"),
    "map of something else": Attack(
        sharded({"dense": _FIRST}), "expected a path such as /layers/dense/vars"
    ),
    "map as shard": Attack(named(["model.weights.json"]), "cannot be read"),
    "layers by their old names in a shard": Attack(
        folder(shards, _old_names), "got _layer_checkpoint_dependencies"
    ),
}
