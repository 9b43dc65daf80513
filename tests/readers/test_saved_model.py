"""SavedModel folders of tf.keras 2.0 to 2.15."""

import numpy as np
import pytest

import gru2np
from checkpoint_writer import changed, metadata, saved_model, write
from exports import assert_same_weights, exported, refusal
from goldens import FIXTURES
from shared_files import MODELS

REAL = MODELS / "savedmodel"
real_models = pytest.mark.skipif(not REAL.exists(), reason="shared/models is not here")
STACK = FIXTURES / "tf-2.10" / "mixed_stack_savedmodel" / "model"
CHECKPOINT = FIXTURES / "tf-2.10" / "mixed_stack_checkpoint"


@real_models
@pytest.mark.parametrize(
    "name",
    [
        "ews_best_model_1_1_len1500",
        "unicode_Burmese_graphclust_model4_heavy",
        "unicode_Khmer_codepoints_exclusive_model4_heavy",
        "unicode_Thai_codepoints_exclusive_model5_heavy",
    ],
)
def test_published_models_give_what_keras_gave(name):
    model, _ = exported(REAL / name / "model")
    with np.load(REAL / name / "io.npz") as data:
        y = model.predict(data["in0"])
        np.testing.assert_allclose(y, data["out0"], rtol=1e-4, atol=2e-5)


@real_models
@pytest.mark.parametrize("twin", ["twin.h5", "twin.keras"])
def test_a_published_folder_equals_the_same_model_in_other_files(twin):
    """Written by TensorFlow 2.0, which counts the InputLayer of a Sequential."""
    folder = REAL / "ews_best_model_1_1_len1500"
    assert_same_weights(exported(folder / "model")[0], exported(folder / twin)[0])


def test_the_version_of_tensorflow_is_known():
    """TensorFlow 2.4.4 writes Keras 2.4.0, as 2.3 does."""
    _, about = exported(FIXTURES / "tf-2.4" / "mixed_stack_savedmodel" / "model")
    assert about.keras_version == "2.4.0"
    report = gru2np.inspect(FIXTURES / "tf-2.4" / "mixed_stack_savedmodel" / "model")
    assert report.written_by == "TensorFlow 2.4.4"
    assert report.source["container"] == "savedmodel"
    assert report.source["tensorflow_version"] == "2.4.4"


def test_the_weights_of_a_saved_model_go_with_an_architecture_too():
    architecture = CHECKPOINT / "architecture.json"
    assert_same_weights(exported(architecture, weights=STACK)[0], exported(STACK)[0])


def test_a_refusal_gives_a_terminal_no_commands(tmp_path):
    """Whatever a file calls an object, some characters are commands to a terminal."""

    def named(files):
        files["keras_metadata.pb"] = metadata(kind="_tf_keras_\x1b[2J\u202elayer")

    model = write(tmp_path / "model", saved_model(changed(files=named)))
    said = refusal(model)
    assert "expected a Keras model, got a ?[2J?layer saved alone" in said
    assert all(line.isprintable() for line in said.split("\n"))


def test_saved_states_are_noted():
    folder = FIXTURES / "tf-2.10" / "stateful_stack_savedmodel" / "model"
    _, about = exported(folder)
    assert any("the bundle starts from zeros" in note for note in about.notes)
    assert exported(STACK)[1].notes == ()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("model", "weights"),
    [
        (STACK, None),
        (FIXTURES / "tf-2.0" / "mixed_stack_savedmodel" / "model", None),
        (FIXTURES / "tf-2.15" / "nested_twice_savedmodel" / "model", None),
        (CHECKPOINT / "architecture.json", CHECKPOINT / "checkpoint"),
    ],
)
def test_keras_agrees_on_folders(model, weights):
    """It is given the architecture and the weights, and not the functions."""
    pytest.importorskip("tf_keras")
    assert gru2np.verify(model, weights=weights).agrees
