"""The files of a model under the names that Keras expects.

Keras chooses the format by the suffix, which is often another, and opens no directory.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from gru2np.readers import checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SUFFIX = {"hdf5": ".h5", "keras": ".keras"}
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


def model(path: Path, container: str, folder: Path) -> Path:
    """A link in the folder to the model or its architecture, which Keras can open."""
    target = folder / f"model{_SUFFIX.get(container, '.json')}"
    if not path.is_dir():
        return _linked(path, target)
    with zipfile.ZipFile(target, "w") as archive:
        for name in _MEMBERS:
            archive.write(path / name, name)
    return target


def architecture(config: Mapping[str, Any], folder: Path) -> Path:
    """A file in the folder with the architecture of a SavedModel, not its functions."""
    target = folder / "model.json"
    target.write_text(json.dumps(config), "utf-8")
    return target


def weights(path: Path, container: str, folder: Path) -> Path:
    """A link in the folder to the weights of an architecture, with all shards.

    A checkpoint is not linked: Keras opens it by its prefix.
    """
    if container in ("savedmodel", "json+checkpoint"):
        return checkpoint.location(path).resolve()
    if container == "json+npz":
        return _linked(path, folder / "trained.npz")
    if container != "json+weights.h5":
        return _linked(path, folder / "trained.h5")
    with path.open("rb") as file:
        index = file.read(512).lstrip().startswith(b"{")
    if not index:
        return _linked(path, folder / "trained.weights.h5")
    shards = json.loads(path.read_text("utf-8"))["weight_map"].values()
    for names in shards:
        for name in [names] if isinstance(names, str) else names:
            if not (folder / name).exists():
                _linked(path.parent / name, folder / name)
    # The name stays: Keras derives that of the first shard from it, not from the index.
    return _linked(path, folder / path.name)


def _linked(path: Path, target: Path) -> Path:
    try:
        target.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)
    return target
