"""Models packed once more: in a ``.zip``, in a ``.gz``."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from checkpoint_writer import changed, old_saved_model, saved_model
from gru2np.readers import open_model
from hostile_checkpoints import zipped
from small_models import BIAS, KERNEL, members, write_h5, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def arrays(path: Path) -> list[Any]:
    """All arrays of a model, the smallest first."""
    with open_model(path) as raw:
        if raw.objects is not None:
            found = list(raw.objects.everything())
        elif raw.paths is not None:
            found = list(raw.paths.variables("layers/dense"))
        else:
            assert raw.groups is not None
            found = [tensor for _, own in raw.groups.groups for tensor in own]
        return sorted((own.read() for own in found), key=np.size)


def h5(folder: Path) -> bytes:
    """A whole model in HDF5."""
    return write_h5(folder / "x.h5").read_bytes()


def archive(folder: Path) -> bytes:
    """A ``.keras`` archive."""
    return write_zip(folder / "x.keras", members()).read_bytes()


def below(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files in a folder of an archive, another system's notes beside them."""
    inside = {f"{name}/{own}": data for own, data in files.items()}
    return {**inside, f"__MACOSX/{name}/._saved_model.pb": b"x", "README": b"x"}


PACKED: dict[str, Callable[[Path], bytes]] = {
    "saved.zip": lambda folder: zipped(saved_model(changed(shards=2))),
    "old.zip": lambda folder: zipped(below("deep/model", old_saved_model())),
    "folder.zip": lambda folder: zipped(below("model", saved_model())),
    "unzipped.zip": lambda folder: zipped(below("model", members())),
    "h5.zip": lambda folder: zipped(below("a", {"Model.HDF5": h5(folder)})),
    "keras.zip": lambda folder: zipped({"model.keras": archive(folder)}),
    "model.h5.gz": lambda folder: gzip.compress(h5(folder)),
    "model.keras.gz": lambda folder: gzip.compress(archive(folder)),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_models_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name](tmp_path))
    bias, kernel = arrays(path)
    np.testing.assert_array_equal(bias, BIAS)
    np.testing.assert_array_equal(kernel, KERNEL)
