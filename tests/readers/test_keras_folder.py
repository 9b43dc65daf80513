"""Directories: an unzipped model of Keras 3, or what else one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import write_folder, write_h5

if TYPE_CHECKING:
    from pathlib import Path


def test_other_directories(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="got an empty dir"), open_model(tmp_path):
        pass
    for mark, kind in [
        ("saved_model.pbtxt", "a SavedModel as text; load it in TensorFlow"),
        ("keras_metadata.pb", "without saved_model.pb; files are missing"),
        ("checkpoint", "weights without an architecture; give the architecture"),
        ("ckpt-1.index", "weights without an architecture; give the architecture"),
        ("_CHECKPOINT_METADATA", "an Orbax checkpoint; load it where it was made"),
    ]:
        folder = write_folder(tmp_path / mark, {mark: b"", "config.json": b"{}"})
        with (
            pytest.raises(ModelFileError, match=kind),
            open_model(folder),
        ):
            pass
    folder = write_folder(tmp_path / "folder", {})
    write_h5(folder / "model.h5")
    with (
        pytest.raises(ModelFileError, match=r"of \['model.h5'\]; give 'model.h5' in"),
        open_model(folder),
    ):
        pass


def test_a_folder_around_a_model_names_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelFileError, match="an empty directory"),
        open_model(tmp_path),
    ):
        pass
    write_folder(tmp_path / "best", {"saved_model.pb": b""})
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelFileError, match="give 'best' in it"), open_model(tmp_path):
        pass
