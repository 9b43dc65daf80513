"""Models that cannot be converted, described as far as they can be."""

import gru2np
from command_line import run
from modelfiles import fixture, with_class

GRU = "keras-2.2/get_weights_explained"


def test_a_custom_layer_is_explained_and_named(tmp_path):
    path = with_class(GRU, tmp_path / "m.h5", "dense_1", "MDN", mixtures=5)
    result = run("inspect", path)
    assert result.exit_code == 0
    assert "gru_1" in result.stdout
    assert "mixtures=5" in result.stdout
    head, _, problems = result.stdout.partition("Cannot be converted\n")
    assert "layer 'dense_1' (MDN)" in problems
    assert "33 parameters" in head
    report = gru2np.inspect(path)
    assert not report.convertible
    assert [problem.layer for problem in report.problems] == ["dense_1"]
    assert [layer.parameters for layer in report.layers] == [30, 3]
    assert report.inputs[0].shape == (None, 3, 1)
    assert report.as_dict()["problems"][0]["class_name"] == "MDN"


def test_a_custom_layer_of_keras_3(tmp_path):
    # Op nodes: layers there are, that this version refuses.
    report = gru2np.inspect(fixture("keras-3.15/operators", "model.keras"))
    if not report.convertible:
        assert len(report.problems) > 1
        assert report.parameters > 0
        assert "Cannot be converted" in str(report)


def test_a_generation_that_is_not_read(tmp_path):
    import h5py

    path = tmp_path / "m.h5"
    path.write_bytes(fixture("keras-2.2/bidirectional").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = "mxnet"
    report = gru2np.inspect(path)
    assert not report.convertible
    assert "mxnet" in report.refusal
    assert [layer.class_name for layer in report.layers].count("Bidirectional") >= 1
