"""Arrays of HDF5: number types, and reading after the file was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from gru2np.readers import open_model
from small_models import (
    write_h5,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<i8", ">i4", "u1"]
)
def test_numbers_come_out_native(tmp_path: Path, dtype: str) -> None:
    value = np.arange(6).reshape(2, 3).astype(dtype)
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group["kernel:0"] = value
    with open_model(path) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
        assert tensor.shape == (2, 3)
        assert tensor.dtype == value.dtype.newbyteorder("=").name
        assert tensor.name == "model.h5/model_weights/d/d/kernel:0"
        native = value.astype(value.dtype.newbyteorder("="))
        np.testing.assert_array_equal(tensor.read(), native, strict=True)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 2)])
def test_bfloat16_is_widened(tmp_path: Path, shape: tuple[int, ...]) -> None:
    value = np.full(shape, -1.5, "<f4")
    stored = (value.view("<u4") >> 16).astype("<u2").view("V2")
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=stored)
    with open_model(path) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
        assert tensor.dtype == "bfloat16"
        np.testing.assert_array_equal(tensor.read(), value, strict=True)


def test_reading_after_closing_says_so(tmp_path: Path) -> None:
    with open_model(write_h5(tmp_path / "model.h5")) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
    with pytest.raises(ValueError, match="read after the model file was closed"):
        tensor.read()
