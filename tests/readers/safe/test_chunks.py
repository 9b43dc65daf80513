"""Arrays that are stored in compressed chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from gru2np.readers import open_model
from small_models import (
    arrays,
    write_h5,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (3, 2)},
        {"compression": "gzip"},
        {"chunks": (3, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ],
)
def test_repacked_weights(tmp_path: Path, options: dict[str, Any]) -> None:
    value = np.random.default_rng(0).normal(size=(7, 5)).astype("f4")
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=value, **options)
    with open_model(path) as raw:
        np.testing.assert_array_equal(arrays(raw)["d"][0], value, strict=True)
