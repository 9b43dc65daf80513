"""An architecture as JSON, with weights of every kind."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import (
    assert_dense,
    members,
    write_architecture,
    write_folder,
    write_groups,
    write_h5,
    write_paths,
    write_weights,
    write_zip,
)

if TYPE_CHECKING:
    from pathlib import Path
from exports import exported, refusal
from shared_files import CASES, needs_cases


def test_json_with_legacy_weights(tmp_path: Path) -> None:
    path = write_architecture(tmp_path, keras_version="2.9.0", backend="theano")
    weights = write_weights(tmp_path, write_groups, keras_version="2.1.0")
    with open_model(path, weights) as raw:
        assert_dense(raw, "d")
        assert raw.keras_version == "2.9.0"
        assert raw.backend == "theano"
        assert raw.container == "json+hdf5"
        assert raw.file_name == "arch.json"
        joined = path.read_bytes() + weights.read_bytes()
        assert raw.sha256 == hashlib.sha256(joined).hexdigest()


def test_an_architecture_gets_its_versions_from_its_weights(tmp_path: Path) -> None:
    path = write_architecture(tmp_path)
    written = {"keras_version": "2.1.5", "backend": "tensorflow"}
    weights = write_weights(tmp_path, write_groups, **written)
    with open_model(path, weights) as raw:
        assert (raw.keras_version, raw.backend) == ("2.1.5", "tensorflow")


def test_json_with_weights_by_path(tmp_path: Path) -> None:
    path = write_architecture(tmp_path, module="keras", registered_name=None)
    with open_model(path, write_weights(tmp_path, write_paths)) as raw:
        assert_dense(raw)
        assert raw.keras_version is None
        assert raw.container == "json+weights.h5"


def test_json_with_the_weights_of_a_whole_model(tmp_path: Path) -> None:
    path = write_architecture(tmp_path, keras_version="2.15.0")
    with open_model(path, write_h5(tmp_path / "model.h5")) as raw:
        assert_dense(raw, "d")


def test_architecture_alone(tmp_path: Path) -> None:
    path = write_architecture(tmp_path)
    with (
        pytest.raises(ModelFileError, match=r"an architecture alone; .* --weights"),
        open_model(path),
    ):
        pass


def test_weights_with_a_whole_model_are_refused(tmp_path: Path) -> None:
    whole = write_h5(tmp_path / "model.h5")
    archive = write_zip(tmp_path / "model.keras", members())
    for path in (whole, archive):
        with (
            pytest.raises(ModelFileError, match="pass a whole model without --weights"),
            open_model(path, whole),
        ):
            pass
    with (
        pytest.raises(ModelFileError, match=r"expected a weights file .*, got a whole"),
        open_model(write_architecture(tmp_path), archive),
    ):
        pass


def test_files_of_different_generations(tmp_path: Path) -> None:
    """Whether the two mean the same is found later; the reader says whose they are."""
    path = write_architecture(tmp_path, module="keras", registered_name=None)
    weights = write_weights(tmp_path, write_groups, keras_version="2.9.0")
    with open_model(path, weights) as raw:
        assert (raw.keras_version, raw.weights_version) == (None, "2.9.0")


def test_a_directory_as_weights(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", members())
    with (
        pytest.raises(ModelFileError, match="m: expected a file, got a directory"),
        open_model(write_architecture(tmp_path), folder),
    ):
        pass
    with (
        pytest.raises(ModelFileError, match="got a directory; pass a whole model"),
        open_model(folder, write_h5(tmp_path / "model.h5")),
    ):
        pass


@needs_cases
def test_weights_of_one_keras_under_an_architecture_of_another(tmp_path):
    case = CASES / "old_weights_new_architecture"
    model, _ = exported(case / "keras3.json", weights=case / "old.h5")
    y = model.predict(np.load(case / "x.npy"))
    np.testing.assert_allclose(y, np.load(case / "y.npy"), rtol=1e-4, atol=2e-5)
    text = (case / "keras3.json").read_text("utf-8")
    text = text.replace(
        '"recurrent_activation": "sigmoid"', '"recurrent_activation": "hard_sigmoid"'
    )
    (tmp_path / "a.json").write_text(text)
    said = refusal(tmp_path / "a.json", weights=case / "old.h5")
    assert "the weights were saved by tf-keras 2.21.0" in said
    assert "give different numbers" in said
