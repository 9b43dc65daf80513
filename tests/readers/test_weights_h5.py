"""Weights of Keras 3: arrays under the path of the object that owns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from goldens import FIXTURES
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import (
    BIAS,
    write_architecture,
    write_paths,
    write_weights,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_are_numbered(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        write_paths(file)
        for path in ("layers/gru/cell", "layers/gru/cell/seed_generator"):
            group = file.create_group(f"{path}/vars")
            for index in range(12):
                group[str(index)] = np.float32(index)
        file.create_group("layers/gru/vars")
        file.create_group("metrics/mean/vars")["0"] = BIAS

    weights = write_weights(tmp_path, write)
    path = write_architecture(tmp_path)
    with open_model(path, weights) as raw:
        assert raw.paths is not None
        assert list(raw.paths.paths()) == ["layers/dense", "layers/gru/cell"]
        numbers = [tensor.read() for tensor in raw.paths.variables("layers/gru/cell")]
        assert numbers == list(range(12))
        for absent in ("layers/gru", "layers/lstm/cell", ""):
            assert list(raw.paths.variables(absent)) == []
        # Asking again is no second reading of the file.
        for _ in range(100):
            assert len(raw.paths.variables("layers/dense")) == 2
    with h5py.File(weights, "r+") as file:
        del file["layers/dense/vars/0"]
        file["vars/0"] = BIAS
    with open_model(path, weights) as raw:
        assert raw.paths is not None
        assert "" in list(raw.paths.paths())
        with pytest.raises(
            ModelFileError, match=r"expected the arrays 0 to 0, got '1'"
        ):
            raw.paths.variables("layers/dense")


def test_a_save_that_failed_in_keras() -> None:
    path = FIXTURES / "keras-3.0" / "refused_partial_h5" / "model.h5"
    with (
        pytest.raises(ModelFileError, match=r"'kernel' twice; .*arrays are missing"),
        open_model(path),
    ):
        pass
