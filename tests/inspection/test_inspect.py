"""Inspect: what it says of files, layers and bundles."""

import io
import json

import numpy as np
import pytest

import goldens
import gru2np
from gru2np_runtime import load
from modelfiles import fixture

GRU = "keras-2.2/get_weights_explained"


@pytest.fixture(scope="module")
def report():
    return gru2np.inspect(fixture(GRU))


def test_the_file(report):
    assert report.kind == "model"
    assert report.written_by == "Keras 2.2.4"
    assert report.source["container"] == "hdf5"
    assert report.source["keras_version"] == "2.2.4"
    assert report.size == fixture(GRU).stat().st_size
    assert (report.name, report.parameters) == ("sequential_1", 33)
    (x,), (y,) = report.inputs, report.outputs
    assert (x.name, x.shape, x.dtype) == ("gru_1_input", (None, 3, 1), "float32")
    assert (y.name, y.shape) == ("dense_1", (None, 1))


def test_layers(report):
    gru, dense = report.layers
    assert (gru.path, gru.class_name, gru.parameters) == ("gru_1", "GRU", 30)
    assert gru.output_shapes == ((None, 2),)
    assert gru.weights == {
        "kernel": (1, 6),
        "recurrent_kernel": (2, 6),
        "bias": (2, 6),
    }
    assert gru.notable == ("units", "activation", "recurrent_activation")
    assert gru.options["reset_after"] is True
    assert dense.parameters == 3


def test_shapes_read_as_in_a_summary():
    """Of one axis as well."""
    model = fixture("keras-3.15/whole_numbers", "model.keras")
    bundle = io.BytesIO()
    gru2np.export(model, bundle)
    found, summary = gru2np.inspect(model), str(load(bundle.getvalue()))
    assert (None,) in [layer.output_shapes[0] for layer in found.layers]
    for text in (str(found), summary):
        assert "(None,)" in text
        assert "(None)" not in text


def test_a_bundle_says_what_its_model_says(tmp_path, report):
    out = tmp_path / "m.npz"
    gru2np.export(fixture(GRU), out)
    bundle = gru2np.inspect(out)
    assert bundle.kind == "bundle"
    assert bundle.size == out.stat().st_size
    for name in ("source", "inputs", "outputs", "layers", "gates", "meaning", "name"):
        assert getattr(bundle, name) == getattr(report, name), name


def test_plain_arrays_are_no_bundle(tmp_path):
    np.savez(tmp_path / "matrices.npz", kernel=np.ones((2, 3)))
    with pytest.raises(gru2np.ModelFileError, match="plain arrays"):
        gru2np.inspect(tmp_path / "matrices.npz")


def test_an_architecture_needs_its_weights():
    folder = fixture("keras-2.2/gru_json", "")
    with pytest.raises(gru2np.ModelFileError, match="--weights"):
        gru2np.inspect(folder / "architecture.json")
    report = gru2np.inspect(folder / "architecture.json", folder / "weights.h5")
    assert report.source["container"] == "json+hdf5"


CASES = [golden for golden in goldens.all_goldens() if not goldens.refused(golden)]


@pytest.mark.parametrize(
    "golden", goldens.some(CASES, 60), ids=lambda golden: golden.name
)
def test_a_bundle_has_the_order_of_its_model(golden, tmp_path):
    """Of layers, of halves and cells inside them, and of weights."""
    (tmp_path / "m.npz").write_bytes(golden.bundle())
    model, weights = golden.files()
    expected = gru2np.inspect(model, weights, saved_by=golden.saved_by)
    found = gru2np.inspect(tmp_path / "m.npz")
    assert json.dumps(found.as_dict()["layers"]) == json.dumps(
        expected.as_dict()["layers"]
    )


def test_halves_and_cells_are_in_order(tmp_path):
    for case, path, expected in (
        ("bidirectional", "bidirectional", ["forward_layer", "backward_layer"]),
        ("stacked_cells", "rnn", ["cell_0", "cell_1", "cell_2"]),
    ):
        _, model = goldens.loaded(f"keras-3.15/{case}")
        layer = model.get_layer(path)
        assert list(layer.layer.layers) == expected
        prefixes = [name.partition("/")[0] for name in layer.weights]
        assert list(dict.fromkeys(prefixes)) == expected
