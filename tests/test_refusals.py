"""What is refused says what it is and the way on; what is harmless converts."""

import io
import shutil

import h5py
import numpy as np
import pytest

import goldens
import gru2np
import hostile
import modelfiles
import ways_on
from exports import refusal
from shared_files import CASES, needs_cases


@pytest.mark.parametrize("key", ["ragged", "sparse"])
def test_rows_of_different_lengths(tmp_path, key):
    def edit(config):
        for own in config["config"]["layers"]:
            if own["class_name"] == "InputLayer":
                own["config"][key] = True

    path = modelfiles.changed("tf-2.10/mask_initial_state", tmp_path / "m.h5", edit)
    said = refusal(path)
    assert f"option {key}=True: {key} inputs" in said
    assert "build the model with the same layers on an input without the option" in said
    assert ("one by one, or padded to one length" in said) == (key == "ragged")


@needs_cases
def test_a_ragged_model_of_tf_keras():
    assert "rows one by one, or padded" in refusal(CASES / "ragged" / "m.h5")


def test_weights_of_a_custom_class(tmp_path):
    """They lie below the names of attributes, and the message names them."""
    case = goldens.FIXTURES / "keras-3.15" / "gru_json"
    weights = next(case.glob("*.h5"))
    path = tmp_path / "own.weights.h5"
    shutil.copy(weights, path)
    with h5py.File(path, "r+") as file:
        file.copy("layers/gru", "decoder")
        file.move("layers/gru", "encoder")
        file.create_group("optimizer/vars")["0"] = np.zeros(2)
    said = refusal(case / "architecture.json", path)
    assert "at layers/gru/cell/vars" in said
    assert "at decoder/cell/vars and encoder/cell/vars, named by" in said
    assert "optimizer" not in said
    assert "copy the weights of its layers into the model of the architecture" in said


@pytest.mark.parametrize("case", ["keras-3.3", "keras-3.15"])
def test_training_that_predict_overrules_is_noted(case):
    path = goldens.FIXTURES / case / "called_in_training" / "model.keras"
    notes = gru2np.export(path, io.BytesIO()).notes
    for name in ("dropout", "noise", "spatial", "statistics", "gru", "both", "inner"):
        assert any(
            note.startswith(f"layer {name!r} (") and "called with training=True" in note
            for note in notes
        ), name


def test_training_that_tensorflow_heeds_is_refused():
    path = goldens.FIXTURES / "tf-2.10" / "called_in_training" / "model.h5"
    assert refusal(path).count("so its outputs are random") == 7


@needs_cases
def test_augmentation_in_a_graph():
    path = CASES / "augmentation_in_graph" / "m.keras"
    exported = gru2np.export(path, io.BytesIO())
    assert sum("called with training=True" in note for note in exported.notes) == 4


@needs_cases
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("softmax_without_inputs.keras", "'softmax_last' (Softmax)"),
        ("reversible_embedding_without_inputs.keras", "'apart' (ReversibleEmbedding)"),
        ("two_inputs_one_name.h5", "input 'z' appears twice"),
        ("activation_class_is_list.h5", "expected an activation function"),
    ],
)
def test_damaged_configurations(file, said):
    assert said in refusal(CASES / "damaged_configs" / file)


REFUSED = [case for case in goldens.all_goldens() if goldens.refused(case)]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_every_refusal_says_the_way_on(case):
    model, weights = case.files()
    with pytest.raises(gru2np.Gru2npError) as refused:
        gru2np.export(model, io.BytesIO(), weights=weights, saved_by=case.saved_by)
    assert ways_on.said(str(refused.value))


@pytest.mark.parametrize("attack", hostile.ATTACKS)
def test_a_file_that_attacks_is_told_what_to_do(attack, tmp_path):
    with pytest.raises(gru2np.Gru2npError) as refused:
        gru2np.export(hostile.ATTACKS[attack].build(tmp_path), io.BytesIO())
    assert ways_on.said(str(refused.value))


def test_every_layer_that_is_refused_has_a_way_on():
    problem = gru2np.Problem("layer", "Lambda", "is refused")
    for problems in ([problem], [problem, problem]):
        assert ways_on.said(str(gru2np.UnsupportedModelError(problems)))
