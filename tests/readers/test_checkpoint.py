"""TensorFlow checkpoints: how they are named, and whose weights they are."""

import json
import shutil

import pytest

import goldens
from exports import exported, refusal
from goldens import FIXTURES, Golden

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
