"""Files that attack the readers: each is refused, and nothing else is touched."""

from __future__ import annotations

import json
import sys
import tempfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import small_models
from checkpoint_writer import (
    changed,
    old_saved_model,
    save_weights,
    saved_model,
    write,
)
from gru2np.errors import Gru2npError, ModelFileError
from gru2np.readers import open_model
from hostile import ATTACKS
from hostile_checkpoints import WEIGHTS as WEIGHTS_ATTACKS
from hostile_folders import shards
from watching import opened_files

if TYPE_CHECKING:
    from pathlib import Path

    from attack import Attack

MOST_MEMORY = 100 << 20


def read_all(path: Path, weights: Path | None = None) -> list[Any]:
    """Every array of a model, also those that nobody would ask for."""
    with open_model(path, weights) as raw:
        if raw.groups is not None:
            groups = [tensors for _, tensors in raw.groups.groups]
        elif raw.objects is not None:
            groups = [tuple(raw.objects.everything())]
        else:
            assert raw.paths is not None
            groups = [raw.paths.variables(path) for path in raw.paths.paths()]
        return [tensor.read() for tensors in groups for tensor in tensors]


def test_the_watch_sees_what_h5py_opens(tmp_path: Path) -> None:
    path = small_models.write_h5(tmp_path / "model.h5")
    with opened_files(tmp_path) as names:
        h5py.File(path, "r").close()
    if sys.platform.startswith("linux"):
        assert names == {"model.h5"}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = ATTACKS[name].build(folder)
    check_refusal(ATTACKS[name], path, monkeypatch, path)


@pytest.mark.parametrize("name", WEIGHTS_ATTACKS)
def test_attack_by_weights_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = WEIGHTS_ATTACKS[name]
    above = tmp_path / "models"
    above.mkdir()
    architecture = tmp_path / "arch.json"
    architecture.write_text(json.dumps(small_models.CONFIG))
    weights = attack.build(above)
    check_refusal(attack, above / "model", monkeypatch, architecture, weights)


def check_refusal(
    attack: Attack,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *given: Path,
) -> None:
    """Open what is given, and watch that nothing but the model at the path is."""
    folder, tmp_path = path.parent, path.parent.parent
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    tracemalloc.start()
    try:
        with opened_files(folder) as names, pytest.raises(Gru2npError) as caught:
            read_all(*given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(caught.value) is attack.error
    assert attack.message in str(caught.value)
    if given[0] == path:
        assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert names <= {path.name}
    assert sorted(tmp_path.rglob("*")) == before
    assert peak < MOST_MEMORY


def test_a_lying_length_takes_no_memory(tmp_path: Path) -> None:
    # HDF5 itself takes what the length says, outside of what tracemalloc sees.
    resource = pytest.importorskip("resource")
    path = ATTACKS["text with a lying length"].build(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="bytes of text"):
        read_all(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 << 10  # kilobytes


def test_a_deflated_member_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    path = tmp_path / "model.keras"
    small_models.write_zip(path, small_models.members(), zipfile.ZIP_DEFLATED)
    with open_model(path) as raw:
        assert raw.paths is not None
        kernel, bias = raw.paths.variables("layers/dense")
        assert (kernel.read() == small_models.KERNEL).all()
        assert (bias.read() == small_models.BIAS).all()
        assert list(spool.iterdir()) == []


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("honest")
    (folder / "weights.h5").write_bytes(small_models.weights_bytes())
    (folder / "arch.json").write_text(json.dumps(small_models.CONFIG))
    small_models.write_h5(folder / "model.h5")
    with h5py.File(folder / "latest.h5", "w", libver="latest") as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps(small_models.CONFIG)
        small_models.write_groups(file.create_group("model_weights"))
    small_models.write_zip(folder / "model.keras", small_models.members())
    deflated = zipfile.ZIP_DEFLATED
    small_models.write_zip(folder / "deflated.keras", small_models.members(), deflated)
    (folder / "dependencies.h5").write_bytes(
        small_models.weights_bytes(small_models.write_dependencies)
    )
    for name, data in shards().items():
        (folder / f"shards_{name}").write_bytes(data)
    return {path.name: path for path in folder.iterdir()}


WEIGHTS = ["weights.h5", "dependencies.h5"]
SHARDS = ["shards_model.weights.json", "shards_model_00001.weights.h5"]
MODELS = ["model.h5", "latest.h5", "model.keras", "deflated.keras", *WEIGHTS, *SHARDS]


def _read_damaged(name: str, data: bytes, honest: dict[str, Path], folder: Path) -> int:
    if name in SHARDS:
        given = {**shards(), name.removeprefix("shards_"): data}
        return len(read_all(small_models.write_folder(folder / "damaged", given)))
    path = folder / f"damaged_{name}"
    path.write_bytes(data)
    if name in WEIGHTS:
        return len(read_all(honest["arch.json"], path))
    return len(read_all(path))


@pytest.mark.parametrize("name", MODELS)
def test_honest_files_are_read(
    name: str, honest: dict[str, Path], tmp_path: Path
) -> None:
    data = honest[name].read_bytes()
    assert _read_damaged(name, data, honest, tmp_path) == 2


@pytest.mark.parametrize("twentieths", range(20))
@pytest.mark.parametrize("name", MODELS)
def test_truncated_files_are_refused(
    name: str, twentieths: int, honest: dict[str, Path], tmp_path: Path
) -> None:
    data = honest[name].read_bytes()
    cut = data[: len(data) * twentieths // 20]
    with pytest.raises(ModelFileError):
        _read_damaged(name, cut, honest, tmp_path)


@pytest.mark.parametrize("name", MODELS)
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(
    name: str, honest: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    damaged = bytearray(honest[name].read_bytes())
    places = st.integers(0, len(damaged) - 1)
    flips = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=16)
    for place, value in data.draw(flips):
        damaged[place] = value
    try:
        _read_damaged(name, bytes(damaged), honest, tmp_path)
    except Gru2npError:
        return


FOLDERS = {
    "savedmodel": saved_model(changed(shards=2)),
    "old savedmodel": old_saved_model(),
    "checkpoint": save_weights(),
}


def read_folder(kind: str, files: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """All arrays of a SavedModel or checkpoint by their names."""
    path = write(folder / "model", files)
    architecture = folder / "arch.json"
    architecture.write_text(json.dumps(small_models.CONFIG))
    given = (architecture, path) if kind == "checkpoint" else (path,)
    with open_model(*given) as raw:
        assert raw.objects is not None
        return {own.name: own.read() for own in raw.objects.everything()}


def damages(data: bytes) -> st.SearchStrategy[bytes]:
    """The data with bytes changed, cut off, or a part of it repeated or left out."""
    places = st.integers(0, len(data))
    inside = st.integers(0, len(data) - 1)

    def flip(flips: list[tuple[int, int]]) -> bytes:
        damaged = bytearray(data)
        for place, value in flips:
            damaged[place] ^= value
        return bytes(damaged)

    def splice(start: int, end: int, to: int) -> bytes:
        return data[:to] + data[start:end] + data[to:]

    return st.one_of(
        st.lists(st.tuples(inside, st.integers(1, 255)), min_size=1, max_size=8).map(
            flip
        ),
        places.map(lambda place: data[:place]),
        st.builds(splice, places, places, places),
        st.builds(lambda start, end: data[:start] + data[end:], places, places),
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_honest_folders_are_read(name: str, tmp_path: Path) -> None:
    arrays = read_folder(name, FOLDERS[name], tmp_path)
    assert arrays.keys() == {"layer-0/kernel", "layer-0/bias"}
    assert (arrays["layer-0/kernel"] == small_models.KERNEL).all()
    assert (arrays["layer-0/bias"] == small_models.BIAS).all()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in FOLDERS for name in FOLDERS[kind]]
)
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_folders_are_refused_or_have_the_same_numbers(
    kind: str, name: str, tmp_path: Path, data: st.DataObject
) -> None:
    damaged = data.draw(damages(FOLDERS[kind][name]))
    try:
        arrays = read_folder(kind, {**FOLDERS[kind], name: damaged}, tmp_path)
    except Gru2npError:
        return
    assert arrays.keys() == {"layer-0/kernel", "layer-0/bias"}
    assert (arrays["layer-0/kernel"] == small_models.KERNEL).all()
    assert (arrays["layer-0/bias"] == small_models.BIAS).all()
