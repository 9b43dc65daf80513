"""Which container a file is: told by its bytes, and not by its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import (
    CONFIG,
    assert_dense,
    members,
    write_architecture,
    write_groups,
    write_h5,
    write_paths,
    write_weights,
    write_zip,
)


def test_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    # TensorFlow up to 2.12 wrote HDF5 into model.keras.
    with open_model(write_h5(tmp_path / "model.keras")) as raw:
        assert raw.container == "hdf5"
    with open_model(write_zip(tmp_path / "model.h5", members())) as raw:
        assert raw.container == "keras"
    path = write_architecture(tmp_path, keras_version="2.9.0").rename(tmp_path / "m.h5")
    with open_model(path, write_weights(tmp_path, write_paths)) as raw:
        assert raw.container == "json+weights.h5"


@pytest.mark.parametrize("size", [512, 1024, 4096])
def test_hdf5_after_a_user_block(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", userblock_size=size) as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps(CONFIG)
        write_groups(file.create_group("model_weights"))
    with path.open("r+b") as raw_file:
        raw_file.write(b'{"a note": "in the user block"}')
    with open_model(path) as raw:
        assert_dense(raw, "d")


def test_json_after_spaces_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_bytes(b"\xef\xbb\xbf \n" + json.dumps(CONFIG).encode())
    with open_model(path, write_weights(tmp_path, write_paths)) as raw:
        assert raw.config == CONFIG


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "an empty file; fetch or save it again"),
        (b"hello", "begins with b'hello'"),
        (b"\x1c\0\0\0TFL3\x14\0", "a TensorFlow Lite model"),
        (b"\x08\x07\x12\x07pytorch", "a protocol buffer (ONNX or TensorFlow)"),
        (b"\x80\x04\x95", "a pickle"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"class_name: Sequential\n", "convert the YAML to JSON, with PyYAML"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, got: str) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(data)
    expected = "model.h5: expected a Keras model (HDF5, .keras, a SavedModel folder"
    with pytest.raises(ModelFileError) as caught, open_model(path):
        pass
    assert str(caught.value).startswith(expected)
    assert got in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelFileError, match=r"nope\.h5: no such file"),
        open_model(tmp_path / "nope.h5"),
    ):
        pass
    path = write_architecture(tmp_path)
    with (
        pytest.raises(ModelFileError, match=r"nope\.h5: no such file"),
        open_model(path, tmp_path / "nope.h5"),
    ):
        pass


@pytest.mark.parametrize("write", [write_groups, write_paths])
def test_weights_alone(tmp_path: Path, write: Any) -> None:
    path = write_weights(tmp_path, write)
    with (
        pytest.raises(ModelFileError, match=r"got weights alone; .* --weights"),
        open_model(path),
    ):
        pass


def test_one_file_of_a_saved_model(tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pb"
    path.write_bytes(b"\x08\x01\x12\x00")
    with (
        pytest.raises(ModelFileError, match="one file of a SavedModel; give the f"),
        open_model(path),
    ):
        pass


def test_the_command_that_converts_yaml_does(tmp_path: Path) -> None:
    """On what ``to_yaml`` of Keras 1 and 2 writes, tuples of Python among it."""
    yaml = pytest.importorskip("yaml")
    config = {**CONFIG, "tuple": (None, 3)}
    (tmp_path / "model.yaml").write_text(yaml.dump(config, sort_keys=True))
    assert "!!python/tuple" in (tmp_path / "model.yaml").read_text()
    with pytest.raises(ModelFileError) as caught, open_model(tmp_path / "model.yaml"):
        pass
    command = str(caught.value).partition("with PyYAML: ")[2]
    run = f"PATH={Path(sys.executable).parent}:$PATH; {command}"
    subprocess.run(run, shell=True, check=True, cwd=tmp_path)
    converted = json.loads((tmp_path / "model.json").read_text())
    assert converted == {**CONFIG, "tuple": [None, 3]}


def test_weights_given_as_a_model_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", np.zeros(2))
    with (
        pytest.raises(ModelFileError, match="a list of arrays: weights without an a"),
        open_model(tmp_path / "w.npz"),
    ):
        pass
    index = tmp_path / "w.index"
    index.write_bytes(bytes(40) + (0xDB4775248B80FB57).to_bytes(8, "little"))
    with (
        pytest.raises(ModelFileError, match="the index of a TensorFlow checkpoint"),
        open_model(index),
    ):
        pass
