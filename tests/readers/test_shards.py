"""Weights of Keras 3 in several files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from goldens import Golden, all_goldens
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from hostile_folders import shard, shards
from small_models import (
    BIAS,
    KERNEL,
    arrays,
    assert_dense,
    members,
    weights_bytes,
    write_architecture,
    write_folder,
    write_zip,
)

if TYPE_CHECKING:
    from pathlib import Path

    import h5py


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
        files, digested = (
            [write_architecture(tmp_path, keras_version="2.13.1"), path / names[0]],
            names,
        )
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


def test_weights_next_to_shards_come_first(tmp_path: Path) -> None:
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
        for path, variables in arrays(raw).items():
            lengths[f"/{path}/vars"] = len(variables)
    # Two arrays or three, wherever they stand: kernels and biases.
    recurrent = {key: 3 if "/cell/" in key else 2 for key in weight_map}
    assert lengths == recurrent


def test_keras_spread_objects_over_shards() -> None:
    assert SHARDED
    for golden in SHARDED:
        shards_of_golden = sorted(golden.folder.glob("model_*.weights.h5"))
        assert len(shards_of_golden) > 1
