"""Models that were packed once more, in a .zip or a .gz."""

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
import zipfile

import gru2np
from exports import assert_same_weights, exported, refusal
from goldens import FIXTURES


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


STACK = FIXTURES / "tf-2.10" / "mixed_stack_savedmodel" / "model"


def packed(path, folder, above):
    """A zip of a folder below another."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, above + file.relative_to(folder).as_posix())
    return path


HDF5 = FIXTURES / "tf-2.10" / "mixed_stack" / "model.h5"


def test_a_model_in_an_archive_is_read_and_noted(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(HDF5, "deep/Model.H5")
        archive.writestr("__MACOSX/deep/._Model.h5", b"x")
        archive.writestr("readme.txt", b"x")
    model, about = exported(tmp_path / "a.zip")
    assert_same_weights(model, exported(HDF5)[0])
    assert about.notes == ("the model is deep/Model.H5, in a.zip",)
    (tmp_path / "m.h5.gz").write_bytes(gzip.compress(HDF5.read_bytes()))
    assert_same_weights(exported(tmp_path / "m.h5.gz")[0], model)
    saved = exported(packed(tmp_path / "s.zip", STACK, "my/model/"))[0]
    assert_same_weights(saved, exported(STACK)[0])
    unzipped = FIXTURES / "keras-3.15" / "gru_directory" / "model"
    keras = exported(packed(tmp_path / "k.zip", unzipped, "gru/"))[0]
    assert_same_weights(keras, exported(unzipped)[0])


def test_of_several_models_in_an_archive_none_is_chosen(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(HDF5, "a.h5")
        archive.write(HDF5, "b.h5")
    assert "unpack it and give 'a.h5' or 'b.h5'" in refusal(tmp_path / "two.zip")


@pytest.mark.tensorflow
def test_keras_agrees_on_what_is_packed(tmp_path):
    pytest.importorskip("tf_keras")
    assert gru2np.verify(packed(tmp_path / "s.zip", STACK, "my/model/")).agrees
