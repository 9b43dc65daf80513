"""Attributes of HDF5 that are texts of every kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gru2np.readers import open_model
from small_models import (
    CONFIG,
    arrays,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "kind", ["bytes", "fixed", "variable", "latest", "many in one heap"]
)
def test_texts_of_every_kind(tmp_path: Path, kind: str) -> None:
    text = json.dumps({**CONFIG, "note": "ü" * 70_000}, ensure_ascii=False)
    names = [f"läyer_{i}" for i in range(200 if kind == "many in one heap" else 2)]
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", libver="latest" if kind == "latest" else None) as file:
        if kind == "fixed":
            text = json.dumps(CONFIG)
            file.attrs["model_config"] = np.bytes_(text.encode())
            given: Any = np.array([name.encode() for name in names])
        else:
            file.attrs["model_config"] = text.encode() if kind == "bytes" else text
            given = np.array(names, dtype=object)
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["backend"] = ""
        top = file.create_group("model_weights")
        for name in names:
            top.create_group(name).attrs["weight_names"] = []
        top.attrs["layer_names"] = given
    with open_model(path) as raw:
        assert raw.config == json.loads(text)
        assert list(arrays(raw)) == names
        assert raw.backend == ""
