"""Inspect: what it says of layers, gates, meaning, and of what is not converted."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

import gru2np
from goldens import all_goldens, some
from gru2np.cli import cli
from gru2np.inspection import choices
from gru2np.inspection.gates import GATES, equations
from gru2np_runtime import layers, load
from gru2np_runtime.layers.recurrent import MASKED_OUTPUTS
from modelfiles import fixture, with_class

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


def test_get_weights_explained(report):
    (gates,) = report.gates
    assert gates.columns == {"z": (0, 2), "r": (2, 4), "h": (4, 6)}
    assert gates.shapes["kernel"] == (1, 6)
    assert gates.bias_rows == ("added to x @ kernel", "added to h @ recurrent_kernel")
    assert gates.reset_after is True
    text = str(report)
    assert "kernel            (1, 6)  columns 0-1 z, 2-3 r, 4-5 h" in text
    assert "row 1: added to h @ recurrent_kernel" in text
    assert "z update gate, r reset gate, h candidate" in text
    assert "hh = linear(x @ Wh + b0h + r * (h @ Uh + b1h))" in text
    # Every number of get_weights() stands under its gate and unit.
    rows = [line for line in text.splitlines() if line.startswith("    bias, row 1")]
    shown = [float(number) for number in rows[0].split("row 1")[1].split()]
    np.testing.assert_allclose(shown, gates.values["bias"][1], atol=5e-5)


def test_the_equations_are_what_the_runtime_computes():
    """The printed lines, run as Python, give what the layer gives."""
    rng = np.random.default_rng(3)
    functions = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    for layer in (
        layers.GRU(units=3, reset_after=True),
        layers.GRU(units=3, reset_after=False),
        layers.GRU(units=3, reset_after=True, use_bias=False),
        layers.GRU(units=3, reset_after=False, use_bias=False),
        layers.LSTM(units=3),
        layers.LSTM(units=3, use_bias=False),
        layers.SimpleRNN(units=3),
    ):
        shapes = layer.weight_shapes((None, None, 2))
        weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        x = rng.normal(size=(4, 2))
        scope = {"x": x, "h": np.zeros((4, 3)), "c": np.zeros((4, 3)), **functions}
        for i, gate in enumerate(GATES[layer.op]):
            columns = slice(3 * i, 3 * (i + 1))
            suffix = "" if layer.op == "simple_rnn" else gate
            scope[f"W{suffix}"] = weights["kernel"][:, columns]
            scope[f"U{suffix}"] = weights["recurrent_kernel"][:, columns]
            for row, bias in enumerate(
                np.atleast_2d(weights.get("bias", np.zeros(12)))
            ):
                number = str(row) if getattr(layer, "reset_after", False) else ""
                scope[f"b{number}{suffix}"] = bias[columns]
        for line in equations(layer):
            name, _, expression = line.replace("'", "_").partition(" = ")
            scope[name.strip()] = eval(expression, scope)
        expected = layer.bind(**weights)(x[:, None])
        np.testing.assert_allclose(scope["h_"], expected, atol=1e-6)


def test_meaning_stands_only_where_it_concerns_a_layer():
    sentences = gru2np.inspect(fixture("keras-3.15/dense", "model.keras")).meaning
    assert sentences == ()
    case = "hard_sigmoid_everywhere"
    old = gru2np.inspect(fixture(f"keras-2.2/{case}"))
    assert old.meaning[0].startswith("hard_sigmoid is clip(0.2 * x + 0.5, 0, 1), as in")
    new = gru2np.inspect(fixture(f"keras-3.15/{case}", "model.keras"))
    assert new.meaning[0].startswith("hard_sigmoid is clip(x / 6 + 0.5, 0, 1), as in")


def test_an_option_that_the_file_does_not_say():
    report = gru2np.inspect(fixture("keras-2.1/mixed_stack"))
    told = [s for s in report.meaning if s.startswith("reset_after is")]
    assert len(told) == 1
    assert "the file has no such option (" in told[0]
    said = gru2np.inspect(fixture("keras-2.2/masking_gru")).meaning
    assert not any(s.startswith("reset_after is") for s in said)


def test_masks_are_told():
    report = gru2np.inspect(fixture("keras-2.2/mask_bidirectional"))
    by_path = {layer.path: layer for layer in report.layers}
    assert not any("#" in path for path in by_path)
    assert by_path["gru"].mask == "masking_1"
    assert any(s.startswith("at a masked step") for s in report.meaning)
    halves = [gates.layer for gates in report.gates if gates.layer.startswith("all/")]
    assert halves == ["all/forward_layer", "all/backward_layer"]
    inside = [layer.path for layer in by_path["all"].inside]
    assert inside == halves
    nested = gru2np.inspect(fixture("keras-2.2/mask_time_distributed"))
    (model,) = nested.layers[0].inside
    assert [child.class_name for child in model.inside] == ["Embedding", "LSTM"]
    assert "(time_distributed_1/layer/lstm_1)" in nested.meaning[1]
    merged = gru2np.inspect(fixture("keras-2.2/mask_merges_two")).meaning
    assert any("merge layer" in s for s in merged)


def test_half_precision_and_stateful_are_told():
    half = gru2np.inspect(fixture("keras-3.15/mixed_float16", "model.keras"))
    assert any("computed in float32" in s for s in half.meaning)
    stateful = gru2np.inspect(fixture("keras-2.2/stateful"))
    assert any(s.startswith("states are kept") for s in stateful.meaning)


def test_a_bundle_says_what_its_model_says(tmp_path, report):
    out = tmp_path / "m.npz"
    gru2np.export(fixture(GRU), out)
    bundle = gru2np.inspect(out)
    assert bundle.kind == "bundle"
    assert bundle.size == out.stat().st_size
    for name in ("source", "inputs", "outputs", "layers", "gates", "meaning", "name"):
        assert getattr(bundle, name) == getattr(report, name), name


def test_json_has_the_documented_keys():
    result = CliRunner().invoke(cli, ["inspect", str(fixture(GRU)), "--json"])
    record = json.loads(result.stdout)
    assert sorted(record) == sorted(gru2np.Report.__dataclass_fields__)
    for name in record:
        assert f"        {name}: " in gru2np.Report.__doc__
    assert record["convertible"] is True
    assert record["gates"][0]["columns"] == {"z": [0, 2], "r": [2, 4], "h": [4, 6]}
    assert record["inputs"][0]["shape"] == [None, 3, 1]


# Models that cannot be converted


def test_a_custom_layer_is_explained_and_named(tmp_path):
    path = with_class(GRU, tmp_path / "m.h5", "dense_1", "MDN", mixtures=5)
    result = CliRunner().invoke(cli, ["inspect", str(path)])
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


# Layout


CASES = [
    g for g in all_goldens() if g.folder.parent.name in ("keras-2.2", "keras-3.15")
]


@pytest.mark.parametrize("width", [80, 100])
def test_reports_fit_the_terminal(width):
    from gru2np.inspection.render import render

    assert CASES
    for golden in some(CASES, 4 if width == 80 else 7):
        report = gru2np.inspect(*golden.files())
        json.dumps(report.as_dict(), allow_nan=False)
        for line in list(render(report, width))[1:]:
            assert len(line) <= width, f"{golden.name}: {line}"


def test_every_masked_output_has_its_sentence():
    assert set(choices.MASKED_OUTPUT) == set(MASKED_OUTPUTS)


def test_a_list_in_a_sentence_has_a_line_for_each_item():
    text = str(gru2np.inspect(fixture("keras-3.15/stateful", "model.keras")))
    lines = text.partition("\nMeaning\n")[2].partition("\n\n")[0].splitlines()
    for layer in ("gru", "lstm", "simple_rnn"):
        assert any(line.startswith(f"      - layer {layer!r}: ") for line in lines)


def test_the_folders_of_a_saved_model_count_for_its_size():
    folder = fixture("tf-2.0/bidirectional_cells_savedmodel", "model")
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = gru2np.inspect(folder)
    assert found.size == sum(path.stat().st_size for path in files)
    assert "container    SavedModel folder, " in str(found)
