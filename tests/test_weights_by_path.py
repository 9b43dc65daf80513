"""Weights by path: how tf.keras 2.12 to 2.14 number layers, and weights in shards."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from goldens import FIXTURES, Golden, all_goldens
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from gru2np.readers.layer_numbers import numbered_since
from hostile_folders import shard, shards
from small_models import (
    BIAS,
    CONFIG,
    KERNEL,
    members,
    weights_bytes,
    write_dependencies,
    write_folder,
    write_zip,
)

if TYPE_CHECKING:
    from pathlib import Path

    import h5py

    from gru2np.ir import RawModel


def architecture(folder: Path) -> Path:
    path = folder / "arch.json"
    path.write_text(json.dumps({**CONFIG, "keras_version": "2.13.1"}))
    return path


def found(raw: RawModel) -> dict[str, list[Any]]:
    """All arrays by path."""
    assert raw.paths is not None
    store = raw.paths
    return {
        path: [tensor.read() for tensor in store.variables(path)]
        for path in store.paths()
    }


def assert_dense(raw: RawModel) -> None:
    arrays = found(raw)
    assert list(arrays) == ["layers/dense"]
    kernel, bias = arrays["layers/dense"]
    np.testing.assert_array_equal(kernel, KERNEL, strict=True)
    np.testing.assert_array_equal(bias, BIAS, strict=True)


# Layers by number


# The names of one class in one model as each version wrote them: the numbers of 2.12
# and 2.13 leave one out after every layer with weights, those of 2.14 leave out none.
@pytest.mark.parametrize(
    "written",
    [
        ["gru", "gru_1", "gru_2"],
        ["gru", "gru_2", "gru_4"],
        ["gru", "gru_2", "gru_10"],
        ["gru_10", "gru", "gru_2"],
        ["gru_1", "gru_3", "gru_5"],  # the first is shared with another model
    ],
)
def test_layers_count_within_their_class(written: list[str]) -> None:
    ranked = sorted(written, key=lambda name: int((name + "_0").split("_")[1]))
    expected = dict(zip(["gru", "gru_1", "gru_2"], ranked, strict=True))
    others = {"conv1d": "conv1d", "gru_cell": "gru_cell", "lstm": "lstm_7"}
    given = [*written, *others.values()]
    assert numbered_since(given, "here") == {**expected, **others}


def test_numbers_that_are_part_of_a_name() -> None:
    names = ["a_0", "a_01", "a_9999999", "_1", "a"]
    assert numbered_since(names, "here") == {name: name for name in names}


def _write_nested(file: h5py.File) -> None:
    lists = "_layer_checkpoint_dependencies"
    inner = f"{lists}/sequential_2/{lists}"
    for index, path in enumerate(
        [
            "",
            f"{lists}/gru/cell",
            f"{lists}/gru_2/cell",
            f"{inner}/gru/cell",
            f"{inner}/gru_10/cell",
            f"{inner}/gru_8/cell",
            f"{lists}/rnn_3/cell/cells/gru_cell_1",
            f"{lists}/time_distributed_1/layer/{lists}/dense_5",
            "optimizer",
        ]
    ):
        file.create_group(f"{path}/vars")["0"] = np.float32(index)
    for path in ("sequential", "sequential_2", "time_distributed", "rnn"):
        file.create_group(f"{lists}/{path}/vars")
    file.create_group(f"{lists}/time_distributed/layer/random_generator/vars")["0"] = 1


NESTED = {
    "": 0,
    "layers/gru/cell": 1,
    "layers/gru_1/cell": 2,
    "layers/rnn_1/cell/cells/gru_cell_1": 6,
    "layers/sequential_1/layers/gru/cell": 3,
    "layers/sequential_1/layers/gru_1/cell": 5,
    "layers/sequential_1/layers/gru_2/cell": 4,
    "layers/time_distributed_1/layer/layers/dense": 7,
}


def test_layers_by_their_old_names(tmp_path: Path) -> None:
    weights = tmp_path / "weights.h5"
    weights.write_bytes(weights_bytes(_write_nested))
    with open_model(architecture(tmp_path), weights) as raw:
        assert {path: int(value) for path, [value] in found(raw).items()} == NESTED
        assert raw.paths is not None
        absent = ["layers/gru_2/cell", "layers/sequential/layers/gru/cell", "layers"]
        for path in (*absent, "_layer_checkpoint_dependencies/gru_2/cell"):
            assert list(raw.paths.variables(path)) == []
            assert raw.paths.owner(path) is None
        # A message says what stands in the file.
        tensor = raw.paths.variables("layers/sequential_1/layers/gru_1/cell")[0]
        assert tensor.name.endswith("sequential_2/_layer_checkpoint_dependencies/gru_8"
                                    "/cell/vars/0")  # fmt: skip


def test_archive_with_layers_by_their_old_names(tmp_path: Path) -> None:
    given = members(
        metadata__json=b'{"keras_version": "2.13.1"}',
        model__weights__h5=weights_bytes(write_dependencies),
    )
    with open_model(write_zip(tmp_path / "model.keras", given)) as raw:
        assert raw.keras_version == "2.13.1"
        assert_dense(raw)


@pytest.mark.parametrize("generation", ["tf-2.12", "tf-2.13", "tf-2.14"])
def test_files_of_these_versions(generation: str) -> None:
    """Layers have the numbers of later versions, wherever classes lose weights."""
    with open_model(FIXTURES / generation / "weights_sometimes" / "model.keras") as raw:
        assert list(found(raw)) == [
            "layers/layer_normalization_1",
            "layers/layer_normalization_3",
            "layers/sequential_1/layers/dense",
            "layers/sequential_2/layers/gru/cell",
            "layers/time_distributed_1/layer",
            "layers/time_distributed_2/layer",
        ]


# Shards


@pytest.mark.parametrize("place", ["directory", "archive", "beside"])
def test_shards(tmp_path: Path, place: str) -> None:
    given = shards()
    path = write_folder(tmp_path / "model", given)
    names = ["model.weights.json", "model_00000.weights.h5", "model_00001.weights.h5"]
    if place == "directory":
        files, digested = [path], ["config.json", "metadata.json", *names]
    elif place == "archive":
        files, digested = [write_zip(tmp_path / "m.keras", given)], []
    else:
        files, digested = [architecture(tmp_path), path / names[0]], names
        given["arch.json"] = files[0].read_bytes()
        digested = ["arch.json", *names]
    with open_model(*files) as raw:
        assert_dense(raw)
        assert raw.container == ("json+weights.h5" if place == "beside" else "keras")
        if digested:
            data = b"".join(given[name] for name in digested)
            assert raw.sha256 == hashlib.sha256(data).hexdigest()
    # A change in any file is another model.
    with open_model(*files) as raw:
        before = raw.sha256
    given[names[2]] = shard("/layers/dense/vars", _1=BIAS + 1)
    write_folder(path, given)
    write_zip(tmp_path / "m.keras", given)
    with open_model(*files) as raw:
        assert raw.sha256 != before


def test_weights_beside_shards_come_first(tmp_path: Path) -> None:
    # Keras itself reads model.weights.h5 alone.
    given = {**shards(), **members()}
    given["model.weights.json"] = b"{}"
    with open_model(write_folder(tmp_path / "model", given)) as raw:
        assert_dense(raw)


def test_one_shard_by_its_bare_name(tmp_path: Path) -> None:
    dense = shard("/layers/dense/vars", _0=KERNEL, _1=BIAS)
    given = shards(
        {"/layers/dense/vars": "one.h5", "/optimizer/vars": ["one.h5"]}, one__h5=dense
    )
    del given["model_00000.weights.h5"]
    with open_model(write_folder(tmp_path / "model", given)) as raw:
        assert_dense(raw)


def test_shards_that_the_map_of_keras_3_10_forgets(tmp_path: Path) -> None:
    # It names the first shard of an object, and no list is there to name others.
    given = shards({"/layers/dense/vars": "model_00000.weights.h5"})
    with open_model(write_folder(tmp_path / "model", given)) as raw:
        assert_dense(raw)
    del given["model_00001.weights.h5"]
    # As after a shard that was lost: nothing follows.
    given["model_00002.weights.h5"] = shard("/layers/dense/vars", _1=BIAS)
    with open_model(write_folder(tmp_path / "other", given)) as raw:
        assert raw.paths is not None
        assert len(raw.paths.variables("layers/dense")) == 1


def _named(name: str, own: bool = False) -> bytes:
    """A shard that was full when the layer's turn came: only the name is there."""

    def write(file: h5py.File) -> None:
        file.create_group("layers/dense/vars").attrs["name"] = name
        if own:
            file["vars/0"] = BIAS

    return weights_bytes(write)


def test_owner_in_an_earlier_shard(tmp_path: Path) -> None:
    given = shards(
        {
            "/vars": ["first.h5"],
            "/layers/dense/vars": ["model_00001.weights.h5"],
            "/layers/dropout/seed_generator/vars": ["first.h5"],
        },
        first__h5=_named("mine", own=True),
        model_00001__weights__h5=shard("/layers/dense/vars", _0=KERNEL, _1=BIAS),
    )
    with open_model(write_folder(tmp_path / "model", given)) as raw:
        assert raw.paths is not None
        assert list(raw.paths.paths()) == ["", "layers/dense"]
        assert raw.paths.owner("layers/dense") == "mine"


def test_shards_of_two_models(tmp_path: Path) -> None:
    names = {"/vars": ["first.h5"], "/optimizer/vars": ["second.h5"]}
    given = shards(names, first__h5=_named("a", own=True), second__h5=_named("b"))
    with open_model(write_folder(tmp_path / "model", given)) as raw:
        assert raw.paths is not None
        with pytest.raises(ModelFileError, match=r"shards of one model, got 'a' and"):
            raw.paths.owner("layers/dense")


def test_the_map_is_no_model(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "m", shards()) / "model.weights.json"
    with (
        pytest.raises(ModelFileError, match=r"index of weights in shards; .*--weights"),
        open_model(path),
    ):
        pass


SHARDED = [own for own in all_goldens() if own.facts["container"] == "json+shards"]


@pytest.mark.parametrize("golden", SHARDED, ids=lambda golden: golden.name)
def test_shards_of_keras(golden: Golden) -> None:
    architecture, index = golden.files()
    weight_map = json.loads(index.read_text())["weight_map"]
    lengths = {}
    with open_model(architecture, index) as raw:
        for path, variables in found(raw).items():
            lengths[f"/{path}/vars"] = len(variables)
    # Two arrays or three, wherever they stand: kernels and biases.
    recurrent = {key: 3 if "/cell/" in key else 2 for key in weight_map}
    assert lengths == recurrent


def test_keras_spread_objects_over_shards() -> None:
    assert SHARDED
    for golden in SHARDED:
        shards_of_golden = sorted(golden.folder.glob("model_*.weights.h5"))
        assert len(shards_of_golden) > 1
