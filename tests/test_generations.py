"""Old generations: what each meant, what is said of it, and what cannot be faithful."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import goldens
import gru2np
from gru2np.cli import cli
from gru2np.convert import convert
from gru2np.errors import VerificationError
from gru2np.verification import installed_keras
from modelfiles import changed, fixture, with_class, with_keys

REFUSED = [golden for golden in goldens.all_goldens() if goldens.refused(golden)]
KERAS_1 = "keras-1.2/lstm"
THEANO = "keras-2.1-theano/convolution_same"
CUDNN = "keras-2.2/cudnn_gru"


def meaning(case):
    """What inspect says was chosen for a case, as one text."""
    return "\n".join(gru2np.inspect(fixture(case)).meaning)


@pytest.mark.parametrize("golden", REFUSED, ids=lambda golden: golden.name)
def test_what_cannot_be_faithful_is_refused(golden, tmp_path):
    model, weights = golden.files()
    out = tmp_path / "m.npz"
    refusals = (gru2np.UnsupportedModelError, gru2np.ModelFileError)
    with pytest.raises(refusals):
        gru2np.export(model, out, weights=weights)
    assert not list(tmp_path.iterdir())


def test_there_is_something_to_refuse():
    assert len(REFUSED) >= 5


@pytest.mark.parametrize(
    ("case", "layer"),
    [("keras-2.2/normalised_stack", "dense_1"), (KERAS_1, "cpu")],
)
@pytest.mark.parametrize("class_name", ["LayerNormalization", "MultiHeadAttention"])
def test_a_class_that_came_later_is_the_author_s_own(tmp_path, case, layer, class_name):
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


def test_a_layer_of_today_is_not_the_author_s_own_in_tensorflow(tmp_path):
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
    assert "your own" not in str(refusal.value)


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


# What is said.


def test_it_says_which_keras_1_and_what_was_joined():
    report = gru2np.inspect(fixture("keras-1.2-theano/lstm"))
    text = CliRunner().invoke(cli, ["inspect", str(fixture(KERAS_1))]).stdout
    assert "Keras 1.2.2 on TensorFlow" in text
    assert "clip(0.2 * x + 0.5" in "\n".join(report.meaning)
    assert "matrices of single gates are joined" in "\n".join(report.meaning)


def test_it_says_that_theano_turns_kernels_and_begins_elsewhere():
    text = meaning(THEANO)
    assert "turned around in time" in text
    assert "pads as Theano does" in text
    assert "turned around" not in meaning("keras-2.2/convolution_stack")


def test_it_says_that_cudnn_weights_are_rearranged():
    assert "cuDNN's order" in meaning(CUDNN)
    assert "cuDNN" not in meaning("keras-2.2/gru")


def test_the_gates_of_keras_1_stand_in_the_order_of_today():
    report = gru2np.inspect(fixture(KERAS_1))
    columns = report.gates[0].columns
    assert sorted(columns, key=lambda gate: columns[gate]) == ["i", "f", "c", "o"]


# Verifying.


def test_no_keras_of_today_stands_for_keras_1(tmp_path):
    with (
        convert(fixture(KERAS_1)) as conversion,
        pytest.raises(VerificationError, match=r"Keras 1\.2\.2.*--expected"),
    ):
        installed_keras.choose(conversion)


def test_recorded_outputs_verify_keras_1(tmp_path):
    golden = goldens.Golden(goldens.FIXTURES / KERAS_1)
    x, y = tmp_path / "x.npz", tmp_path / "y.npz"
    facts = golden.facts
    np.savez(x, **dict(zip(facts["input_names"], golden.arrays(0, "x"), strict=True)))
    np.savez(y, **dict(zip(facts["output_names"], golden.arrays(0, "y"), strict=True)))
    arguments = ["verify", str(golden.files()[0]), "--input", str(x), "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--expected", str(y)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["agree"] is True


def test_tf_keras_does_not_stand_for_a_convolution_of_theano():
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    with convert(fixture(THEANO)) as conversion:
        lines = "\n".join(installed_keras.differences(conversion, keras))
    assert "before" in lines
    with convert(fixture("keras-2.1-theano/convolution_stack")) as conversion:
        lines = "\n".join(installed_keras.differences(conversion, keras))
    assert "flipped" in lines


def test_tf_keras_stands_for_cudnn_layers():
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    with convert(fixture(CUDNN)) as conversion:
        assert not list(installed_keras.differences(conversion, keras))


def test_it_says_what_no_file_says():
    assert "a mask that was passed to the call" in meaning("keras-2.2/encoder_decoder")
    assert "a mask that was passed to the call" not in meaning("tf-2.4/dict_outputs")
    assert "a mask that was passed to the call" not in meaning("keras-2.2/stateful")


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
    text = CliRunner().invoke(cli, ["inspect", str(fixture(case))]).stdout
    assert f"saved by     {writer}" in text
