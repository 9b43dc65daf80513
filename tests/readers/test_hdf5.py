"""Legacy HDF5: whole models, and weights grouped by layer."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.readers import open_model
from small_models import (
    CONFIG,
    arrays,
    assert_dense,
    write_architecture,
    write_groups,
    write_h5,
    write_weights,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_hdf5_model(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with open_model(path) as raw:
        assert_dense(raw, "d")
        assert raw.config == CONFIG
        assert raw.paths is None
        assert raw.keras_version == "2.15.0"
        assert raw.backend == "tensorflow"
        assert raw.container == "hdf5"
        assert raw.file_name == "model.h5"
        assert raw.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_failed_saves(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5", model_config=None)
    with (
        pytest.raises(ModelFileError, match=r"`model_config`\), got weights alone"),
        open_model(path),
    ):
        pass
    written = write_architecture(tmp_path, keras_version="2.15.0")
    with open_model(written, path) as raw:
        assert_dense(raw, "d")
    for missing in ("model_weights", "model_weights/d", "model_weights/d/d/bias:0"):
        path = write_h5(tmp_path / "model.h5")
        with h5py.File(path, "r+") as file:
            del file[missing]
        with (
            pytest.raises(ModelFileError, match=f"model.h5.*{missing}.*save it again"),
            open_model(path),
        ):
            pass


@pytest.mark.parametrize("version", [None, "1.2.2", "0.3.0"])
def test_versions_are_as_written(tmp_path: Path, version: str | None) -> None:
    # What they mean, and that no version means Keras 1, is not for a reader to say.
    with open_model(write_h5(tmp_path / "model.h5", keras_version=version)) as raw:
        assert raw.keras_version == version
        assert_dense(raw, "d")
    weights = write_weights(tmp_path, write_groups)
    with open_model(write_architecture(tmp_path), weights) as raw:
        assert raw.keras_version is None
        assert_dense(raw, "d")


def test_numbered_weights(tmp_path: Path) -> None:
    weights = write_weights(tmp_path, lambda file: file.attrs.update({"nb_layers": 1}))
    with (
        pytest.raises(UnsupportedModelError, match="`nb_layers`"),
        open_model(write_architecture(tmp_path), weights),
    ):
        pass


def test_group_order_is_the_files_and_not_the_alphabet(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.array(["z/y", "empty", "a"], dtype=object)
        for index, name in enumerate(("z/y", "a")):
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([b"w_10", b"w_9", b"deep/er/w_1"])
            for other, weight in enumerate(("w_10", "w_9", "deep/er/w_1")):
                group[weight] = np.float32(10 * index + other)
        file.create_group("empty").attrs["weight_names"] = []  # stored as float64

    weights = write_weights(tmp_path, write, keras_version="2.9.0")
    with open_model(write_architecture(tmp_path), weights) as raw:
        found = arrays(raw)
    assert list(found) == ["z/y", "empty", "a"]
    assert found == {"z/y": [0, 1, 2], "empty": [], "a": [10, 11, 12]}


def test_names_in_chunks(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file.attrs["layer_names0"] = np.array([b"a", b"b"])
        file.attrs["layer_names1"] = np.array([b"c"])
        for name in "abc":
            file.create_group(name).attrs["weight_names"] = np.array([], "S1")

    weights = write_weights(tmp_path, write, keras_version="2.9.0")
    with open_model(write_architecture(tmp_path), weights) as raw:
        assert arrays(raw) == {"a": [], "b": [], "c": []}
