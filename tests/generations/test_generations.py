"""Old generations: what each meant, what is said of it, and what cannot be faithful."""

import pytest

import goldens
import gru2np
from command_line import run
from gru2np.convert import convert
from gru2np.verification import installed_keras
from modelfiles import changed, fixture, meaning_said, with_class, with_keys

REFUSED = [golden for golden in goldens.all_goldens() if goldens.refused(golden)]
KERAS_1 = "keras-1.2/lstm"
THEANO = "keras-2.1-theano/convolution_same"


@pytest.mark.parametrize("golden", REFUSED, ids=lambda golden: golden.name)
def test_a_model_of_unknown_meaning_is_refused(golden, tmp_path):
    model, weights = golden.files()
    out = tmp_path / "m.npz"
    refusals = (gru2np.UnsupportedModelError, gru2np.ModelFileError)
    with pytest.raises(refusals):
        gru2np.export(model, out, weights=weights, saved_by=golden.saved_by)
    assert not list(tmp_path.iterdir())


def test_there_is_something_to_refuse():
    assert len(REFUSED) >= 5


@pytest.mark.parametrize(
    ("case", "layer"),
    [("keras-2.2/normalised_stack", "dense_1"), (KERAS_1, "cpu")],
)
@pytest.mark.parametrize("class_name", ["LayerNormalization", "MultiHeadAttention"])
def test_a_class_of_a_later_keras_is_custom(tmp_path, case, layer, class_name):
    def edit(config):
        layers = config["config"]
        for spec in layers if isinstance(layers, list) else layers["layers"]:
            if spec["config"]["name"] == layer:
                spec["class_name"] = class_name

    path = changed(case, tmp_path / "m.h5", edit)
    with pytest.raises(gru2np.UnsupportedModelError) as refusal:
        gru2np.export(path, tmp_path / "m.npz")
    (problem,) = refusal.value.problems
    assert problem.class_name == class_name
    assert "had none of this name" in str(problem)


def test_a_layer_of_a_later_tensorflow_is_not_custom(tmp_path):
    spec = {"class_name": "LayerNormalization", "config": {}}
    options = with_keys(spec, "tf.keras", "2.10.1")["config"]
    del options["name"]
    path = with_class(
        "tf-2.10/convolution_stack",
        tmp_path / "m.h5",
        "conv1d",
        "LayerNormalization",
        **options,
    )
    with pytest.raises(gru2np.UnsupportedModelError) as refusal:
        gru2np.export(path, tmp_path / "m.npz")
    assert "custom class" not in str(refusal.value)


def test_an_unknown_backend_is_refused_by_name(tmp_path):
    import h5py

    path = tmp_path / "m.h5"
    path.write_bytes(fixture("keras-2.2/bidirectional").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = "mxnet"
    with pytest.raises(gru2np.UnsupportedModelError, match=r"on mxnet.*tensorflow"):
        gru2np.export(path, tmp_path / "m.npz")


@pytest.mark.parametrize("case", ["convolution", "pooling"])
def test_windows_of_cntk_are_refused(tmp_path, case):
    import h5py

    path = tmp_path / "m.h5"
    path.write_bytes(fixture(f"keras-2.2/{case}").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = "cntk"
    with pytest.raises(gru2np.UnsupportedModelError, match="saved on CNTK"):
        gru2np.export(path, tmp_path / "m.npz")


def test_tf_keras_is_not_used_for_a_convolution_of_theano():
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    with convert(fixture(THEANO)) as conversion:
        lines = "\n".join(installed_keras.differences(conversion, keras))
    assert "before" in lines
    with convert(fixture("keras-2.1-theano/convolution_stack")) as conversion:
        lines = "\n".join(installed_keras.differences(conversion, keras))
    assert "flipped" in lines


def test_facts_that_no_file_has_are_assumed():
    assert "a mask that was passed to the call" in meaning_said(
        "keras-2.2/encoder_decoder"
    )
    assert "a mask that was passed to the call" not in meaning_said(
        "tf-2.4/dict_outputs"
    )
    assert "a mask that was passed to the call" not in meaning_said(
        "keras-2.2/stateful"
    )


@pytest.mark.parametrize(
    ("case", "writer"),
    [
        ("keras-2.1-theano/masking_gru", "Keras 2.1.4 on Theano\n"),
        ("keras-2.1-cntk/masking_gru", "Keras 2.1.4 on CNTK\n"),
        ("keras-1.2-theano/gru", "Keras 1.2.2 on Theano\n"),
        ("keras-2.2/gru", "Keras 2.2.4 on TensorFlow\n"),
    ],
)
def test_it_names_the_backend_once(case, writer):
    text = run("inspect", fixture(case)).stdout
    assert f"saved by     {writer}" in text
