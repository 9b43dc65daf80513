"""TensorFlow checkpoints: how they are named, and whose weights they are."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

import goldens
import gru2np
from attribute_models import ONE, TWO, arrays, assert_dense, folder, weights
from checkpoint_writer import (
    Draft,
    block,
    checkpoint_of,
    table,
)
from exports import exported, refusal
from goldens import FIXTURES, Golden
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from gru2np_runtime import load

if TYPE_CHECKING:
    from pathlib import Path


CHECKPOINT = FIXTURES / "tf-2.10" / "mixed_stack_checkpoint"


@pytest.mark.parametrize(
    "named",
    [
        "checkpoint/weights",
        "checkpoint/weights.index",
        "checkpoint/weights.data-00000-of-00001",
        "checkpoint/checkpoint",
        "checkpoint",
    ],
)
def test_a_checkpoint_is_named_by_its_prefix_a_file_or_its_folder(named):
    golden = Golden(CHECKPOINT)
    model, _ = exported(CHECKPOINT / "architecture.json", weights=CHECKPOINT / named)
    inputs = dict(zip(model.input_names, golden.arrays(0, "x"), strict=True))
    for y, wanted in zip(
        goldens.flat(model.predict(inputs)), golden.arrays(0, "y"), strict=True
    ):
        golden.close(y, wanted)


def test_a_folder_that_names_no_checkpoint_in_it(tmp_path):
    shutil.copytree(CHECKPOINT / "checkpoint", tmp_path / "c")
    (tmp_path / "c" / "checkpoint").write_text('model_checkpoint_path: "/a/b/gone"\n')
    text = refusal(CHECKPOINT / "architecture.json", weights=tmp_path / "c")
    assert "c/checkpoint: expected the prefix of a checkpoint beside it" in text
    assert "got 'gone'" in text
    # The paths of the machine that trained are no matter.
    (tmp_path / "c" / "checkpoint").write_text(
        'model_checkpoint_path: "C:\\run\\weights"\n'
    )
    exported(CHECKPOINT / "architecture.json", weights=tmp_path / "c")


def test_weights_of_another_architecture_are_refused():
    other = FIXTURES / "tf-2.10" / "nested_twice_checkpoint" / "architecture.json"
    text = refusal(other, weights=CHECKPOINT / "checkpoint")
    assert "expected" in text
    assert "layers, got" in text


def test_a_layer_of_another_name_is_refused(tmp_path):
    """Equal shapes, and names that are those of the other layer."""
    case = FIXTURES / "tf-2.10" / "trained_checkpoint"
    config = json.loads((case / "architecture.json").read_text("utf-8"))
    layers = [
        own for own in config["config"]["layers"] if own["class_name"] != "InputLayer"
    ]
    first, second = layers[0]["config"], layers[-1]["config"]
    first["name"], second["name"] = second["name"], first["name"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(config))
    assert "expected an array of layer" in refusal(path, weights=case / "checkpoint")


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_floats_of_other_sizes(dtype: Any, tmp_path: Path) -> None:
    own = {path: array.astype(dtype) for path, array in arrays("layer-0").items()}
    found = weights(tmp_path, ONE, Draft(own))["a"]
    for name, array in found.items():
        expected = own[f"layer-0/{name}"].astype(array.dtype)
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_integers_are_no_weights(dtype: str, tmp_path: Path) -> None:
    own = {path: array.astype(dtype) for path, array in arrays("layer-0").items()}
    with pytest.raises(ModelFileError, match=f"floating point numbers, got {dtype}"):
        weights(tmp_path, ONE, Draft(own))


@pytest.mark.parametrize("shards", [1, 2, 3, 9])
def test_arrays_in_several_files(shards: int, tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), shards)
    assert_dense(weights(tmp_path, TWO, draft)["b"], 1)


def test_every_shard_counts_for_the_hash(tmp_path: Path) -> None:
    # The index has checksums of arrays, which others can be made to have.
    path = folder(tmp_path, ONE, Draft(arrays("layer-0"), 3))
    hashes = set()
    for shard in (None, *sorted(path.glob("variables/variables.data-*"))):
        if shard is not None:
            data = bytearray(shard.read_bytes())
            data[-1] ^= 1
            shard.write_bytes(data)
        try:
            with open_model(path) as raw:
                hashes.add(raw.sha256)
        except ModelFileError:
            assert shard is not None
            assert shard.name.endswith("00002-of-00003")  # the objects are in it
    assert len(hashes) == 3


def test_an_index_of_several_blocks(tmp_path: Path) -> None:
    def index(items: Any) -> bytes:
        return table(*(block([item]) for item in items), last=[key for key, _ in items])

    draft = Draft(arrays("layer-0", "layer-1"), index=index)
    assert_dense(weights(tmp_path, TWO, draft)["b"], 1)


@pytest.mark.parametrize(
    "given",
    ["", "weights", "weights.index", "weights.data-00000-of-00001", "checkpoint"],
)
def test_ways_to_name_a_checkpoint(given: str, tmp_path: Path) -> None:
    model = checkpoint_of(tmp_path / "saved", Draft(arrays("layer-0")))
    architecture = tmp_path / "arch.json"
    architecture.write_text(json.dumps({**ONE, "keras_version": "2.10.0"}))
    out = tmp_path / "model.npz"
    gru2np.export(architecture, out, weights=model / given)
    assert_dense(load(out).get_layer("a").weights)


def test_a_prefix_called_checkpoint(tmp_path: Path) -> None:
    model = checkpoint_of(tmp_path / "saved", Draft(arrays("layer-0")), "checkpoint")
    architecture = tmp_path / "arch.json"
    architecture.write_text(json.dumps({**ONE, "keras_version": "2.10.0"}))
    out = tmp_path / "model.npz"
    for _ in range(2):
        gru2np.export(architecture, out, weights=model / "checkpoint")
        assert_dense(load(out).get_layer("a").weights)
        (model / "checkpoint").unlink(missing_ok=True)
