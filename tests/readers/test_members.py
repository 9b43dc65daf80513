"""Models of Keras 3 in an archive or a folder, and members that are missing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import (
    CONFIG,
    assert_dense,
    members,
    write_folder,
    write_zip,
)

if TYPE_CHECKING:
    from pathlib import Path
from typing import TYPE_CHECKING

from small_models import (
    weights_bytes,
    write_dependencies,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_keras_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "model.keras", members())
    with open_model(str(path)) as raw:
        assert_dense(raw)
        assert raw.config == CONFIG  # without compile_config
        assert raw.groups is None
        assert raw.keras_version == "3.15.1"
        assert raw.backend is None
        assert raw.container == "keras"
        assert raw.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = members()
    path = write_folder(tmp_path / "model", given)
    (path / "README.md").write_bytes(b"as on a hub")
    digest = hashlib.sha256(b"".join(given[name] for name in sorted(given)))
    monkeypatch.chdir(path)
    for spelling in (path, f"{path}/", "."):
        with open_model(spelling) as raw:
            assert_dense(raw)
            assert raw.config == CONFIG  # without compile_config
            assert raw.keras_version == "3.15.1"
            assert raw.container == "keras"
            assert raw.file_name == "model"
            assert raw.sha256 == digest.hexdigest()


def test_directory_of_links(tmp_path: Path) -> None:
    # How the cache of a hub keeps it.
    blobs = write_folder(tmp_path / "blobs", members())
    path = write_folder(tmp_path / "snapshot", {})
    for blob in blobs.iterdir():
        (path / blob.name).symlink_to(f"../blobs/{blob.name}")
    with open_model(path) as raw:
        assert_dense(raw)


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_incomplete_directory(tmp_path: Path, missing: str) -> None:
    given = {name: data for name, data in members().items() if name != missing}
    with (
        pytest.raises(ModelFileError, match=r"m: expected config\.json and model"),
        open_model(write_folder(tmp_path / "m", given)),
    ):
        pass


def test_harmless_members_are_ignored(tmp_path: Path) -> None:
    given = {**members(), "assets/": b"", "assets/layers/ü.txt": b"a"}
    with open_model(write_zip(tmp_path / "model.keras", given)) as raw:
        assert_dense(raw)


def test_large_architecture_in_archive(tmp_path: Path) -> None:
    large = json.dumps({**CONFIG, "padding": "y" * (3 << 20)}).encode()
    with open_model(write_zip(tmp_path / "m", members(config__json=large))) as raw:
        assert_dense(raw)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"manifest.json": b"{}", "w.npy": b""}, "got a gru2np bundle"),
        ({"archive/data.pkl": b""}, "got a PyTorch file"),
        ({"m/config.json": b"{}"}, "got a zip archive of ['m/config.json']"),
        ({"readme": b"{}"}, "got a zip archive of ['readme']"),
        (members(metadata__json=None), "expected a member metadata.json"),
        (members(metadata__json=b"{}"), "expected the Keras version, got None"),
        (members(model__weights__h5=None), "expected a member model.weights.h5"),
        (members(model__weights__h5=b"x"), "model.weights.h5: cannot be read"),
        (members(config__json=b'{"config": {}}'), "expected a Keras architecture"),
    ],
)
def test_incomplete_archives(tmp_path: Path, given: Any, got: str) -> None:
    path = write_zip(tmp_path / "model.keras", given)
    with pytest.raises(ModelFileError) as caught, open_model(path):
        pass
    assert got in str(caught.value)


def test_archive_with_layers_by_their_old_names(tmp_path: Path) -> None:
    given = members(
        metadata__json=b'{"keras_version": "2.13.1"}',
        model__weights__h5=weights_bytes(write_dependencies),
    )
    with open_model(write_zip(tmp_path / "model.keras", given)) as raw:
        assert raw.keras_version == "2.13.1"
        assert_dense(raw)
