"""A model is upgraded, or everything in it that has no exact form is named at once."""

import io
import json
import zipfile

import pytest

from goldens import FIXTURES
from gru2np.errors import UnsupportedModelError
from modelfiles import changed
from upgraded_files import layers_of, refusal_of, upgraded_file, upgraded_model


def reasons(error):
    return {problem.layer: problem.reason for problem in error.problems}


def test_everything_that_has_no_form_is_named_at_once():
    error = refusal_of("keras-1.2/stateful_masked")
    assert len(reasons(error)) == len(error.problems) > 1
    for problem in error.problems:
        assert problem.class_name in ("GRU", "LSTM", "SimpleRNN")
        assert "at a masked step the output is the carried state" in problem.reason
        assert "stateful or is called with initial states" in problem.reason
    assert "Run it as it was meant, without Keras" in str(error)


def test_masked_steps_after_initial_states_have_no_form():
    error = refusal_of("keras-2.0/mask_initial_state")
    assert all("initial states" in reason for reason in reasons(error).values())


@pytest.mark.parametrize(
    ("case", "option", "value"),
    [
        ("tf-2.10/time_major", "time_major", True),
        ("keras-1.0-theano/normalisation", "deviation_epsilon", None),
        ("keras-2.2/interpolation", "interpolation", "bilinear_from_corner"),
    ],
)
def test_an_option_that_keras_3_does_not_have_is_refused(case, option, value):
    found = [x for x in refusal_of(case).problems if x.option == option]
    assert found
    assert all("Keras 3" in problem.reason for problem in found)
    assert value is None or {problem.value for problem in found} == {value}


def test_a_layer_that_keras_3_does_not_have_is_refused():
    error = refusal_of("keras-2.2/locally_connected")
    assert {problem.reason for problem in error.problems} == {
        "Keras 3 has no such layer"
    }
    assert len(error.problems) > 1


def test_a_masked_list_of_one_cell_is_refused():
    """Keras 3 opens it, and fails as it runs it."""
    path = FIXTURES / "random_masked/tf-2.10/4/model.h5"
    with pytest.raises(UnsupportedModelError, match="list of one cell with a mask"):
        upgraded_model(path)


def test_a_masked_list_of_two_cells_is_upgraded():
    data, _ = upgraded_file("tf-keras-2.21/mask_stacked_cells")
    assert layers_of(data)["all"]["class_name"] == "RNN"


@pytest.mark.parametrize(
    ("file", "layer"),
    [
        ("keras-2.2/0/model.h5", "concatenate_1"),
        ("tf-keras-2.21/13/model.keras", "concatenate"),
    ],
)
def test_no_layer_has_a_name_of_an_operation_on_masks(file, layer):
    """Keras 3 makes such operations as it opens a file, and allows no name twice."""
    path = FIXTURES / "random_masked" / file
    data, draft = upgraded_model(path)
    assert layer not in layers_of(data)
    assert layers_of(data)[f"{layer}_layer"]["class_name"] == "Concatenate"
    (note,) = (x for x in draft.notes if f"{layer!r} is" in x)
    assert note == (
        f"layer {layer!r} is now '{layer}_layer': Keras 3 has this name for an "
        "operation on masks"
    )


def test_without_masks_these_names_are_kept():
    data, draft = upgraded_file("keras-2.2/merging")
    kept = [name for name in layers_of(data) if name.startswith("concatenate")]
    assert kept
    assert draft.notes == []


def test_what_acts_in_training_alone_is_kept_or_said():
    data, draft = upgraded_file("keras-1.2/training_options")
    lost = [note for note in draft.notes if note.startswith("training differs: ")]
    assert "training differs: dropout of embedding_1 has no form in Keras 3" in lost
    for config in (layer["config"] for layer in layers_of(data).values()):
        assert "W_regularizer" not in config


def test_an_unknown_option_is_never_dropped(tmp_path):
    def edit(config):
        config["config"]["layers"][0]["config"]["own_option"] = 3

    path = changed("keras-2.2/gru", tmp_path / "m.h5", edit)
    with pytest.raises(UnsupportedModelError, match="own_option"):
        upgraded_model(path)


def test_frozen_layers_stay_frozen():
    data, _ = upgraded_file("keras-2.2/frozen_layers")
    frozen = {
        name: layer["config"].get("trainable", True)
        for name, layer in layers_of(data).items()
    }
    assert False in frozen.values()
    assert True in frozen.values()


def test_the_keras_of_a_file_is_the_one_that_it_is_for():
    data, _ = upgraded_file("keras-1.2/gru")
    path = FIXTURES / "keras-3.15/gru/model.keras"
    versions = [
        json.loads(zipfile.ZipFile(file).read("metadata.json"))["keras_version"]
        for file in (io.BytesIO(data), path)
    ]
    assert versions[0] == versions[1]
