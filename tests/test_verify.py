"""Verify: comparing, choosing a Keras, and real Keras beside the runtime."""

from __future__ import annotations

import io
import json
import re
import shutil
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import gru2np
from goldens import FIXTURES, ROOT, Golden
from gru2np.cli import cli
from gru2np.convert import convert
from gru2np.verification import installed_keras, keras_process, plain_config, samples
from gru2np.verification.assumptions import shared
from gru2np.verification.comparison import Tolerance, compare
from gru2np.verification.evidence import Reference
from gru2np.verification.settings import TOLERANCES
from gru2np_runtime import load
from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members
from gru2np_runtime.bundle.opening import read_bundle
from gru2np_runtime.graph import walk

FLOAT32 = TOLERANCES["float32"]
MASKED = "keras-2.2/mask_bidirectional"
OLD = "keras-2.1/mixed_stack"
STACK = "keras-2.1/stacked_cells"
MODELS = ROOT.parent / "shared" / "models"


def golden(name):
    return Golden(FIXTURES / name)


def model_of(name):
    return golden(name).files()[0]


def run(*arguments):
    return CliRunner().invoke(cli, ["verify", *map(str, arguments)])


def tensorflow(test):
    """Mark a test that runs a real Keras; skipped, and said so, where there is none."""
    missing = find_spec("tensorflow") is None or find_spec("tf_keras") is None
    skip = pytest.mark.skipif(
        missing, reason="needs gru2np[verify]: no TensorFlow here"
    )
    return pytest.mark.tensorflow(skip(test))


@pytest.fixture
def no_child(monkeypatch):
    """No process may be started."""

    def refuse(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(keras_process.subprocess, "run", refuse)


# Comparing.


def test_the_largest_difference_has_its_place_and_both_numbers():
    got = np.array([[1.0, 2.0], [3.0, 4.5]], "float32")
    expected = np.array([[1.0, 2.25], [3.0, 4.0]], "float32")
    found = compare("y", got, expected, FLOAT32)
    assert (found.largest, found.at) == (0.5, (1, 1))
    assert (found.value, found.expected) == (4.5, 4.0)
    assert (found.relative, found.relative_at) == (0.125, (1, 1))
    assert not found.agrees


def test_the_tolerance_grows_with_the_largest_number():
    expected = np.array([0.0, 100.0])
    near = compare("y", expected + 0.9e-3, expected, FLOAT32)
    assert near.agrees
    assert near.tolerance == pytest.approx(1e-6 + 1e-3)
    assert not compare("y", expected + 1.1e-3, expected, FLOAT32).agrees


def test_nan_and_infinity_agree_only_with_themselves():
    expected = np.array([np.nan, np.inf, -np.inf, 1.0], "float32")
    assert compare("y", expected.copy(), expected, FLOAT32).agrees
    for i, wrong in ((0, 1.0), (1, -np.inf), (2, 1.0), (3, np.nan)):
        got = expected.copy()
        got[i] = wrong
        found = compare("y", got, expected, FLOAT32)
        assert not found.agrees
        assert found.at == (i,)
        json.dumps(found.as_json(), allow_nan=False)


def test_other_shapes_and_dtypes_differ():
    x = np.ones((2, 3), "float32")
    assert compare("y", x, x[:, :2], FLOAT32).reason == "another shape"
    assert compare("y", x, x.astype("float64"), FLOAT32).reason == "another dtype"
    recorded = x.astype("float64")
    assert compare("y", x, recorded, FLOAT32, same_dtype=False).agrees
    assert compare("y", x, x, FLOAT32, expected_dtype="float16").agrees


def test_whole_numbers_and_booleans_are_exact():
    large = np.array([2**60, 5])
    assert compare("y", large, large, FLOAT32).agrees
    assert not compare("y", large + np.array([1, 0]), large, Tolerance(0.5, 1.0)).agrees
    mask = np.array([True, False])
    assert compare("y", mask, mask, FLOAT32).agrees
    assert not compare("y", mask, ~mask, FLOAT32).agrees


def test_nothing_agrees_with_nothing():
    empty = np.zeros((0, 3), "float32")
    assert compare("y", empty, empty, FLOAT32).agrees


# Inputs.


def drawn(name, seed=0):
    with convert(model_of(name)) as conversion:
        names = conversion.built.inputs.names
        graph, weights = conversion.built.graph, conversion.weights
        return samples.draw(graph, weights, names, seed)


def test_drawn_ids_are_rows_of_the_embedding_and_some_steps_are_masked():
    (ids,) = drawn("keras-3.15/embedding_mask").values()
    rows = gru2np_layer("keras-3.15/embedding_mask", "embedding").input_dim
    assert ids.min() == 0
    assert ids.max() < rows
    assert (ids[0, -2:] == 0).all()


def gru2np_layer(name, op):
    with convert(model_of(name)) as conversion:
        return next(x for _, x in walk(conversion.built.graph) if x.op == op)


def test_drawn_steps_hold_the_mask_value_and_a_seed_gives_the_same():
    (x,) = drawn("keras-3.15/masking_gru").values()
    with convert(model_of("keras-3.15/masking_gru")) as conversion:
        layers = [layer for _, layer in walk(conversion.built.graph)]
    for value in {layer.mask_value for layer in layers if layer.op == "masking"}:
        masked = (x == np.float32(value)).all(-1)
        assert masked.any()
        assert not masked.all(-1).any()
    (again,) = drawn("keras-3.15/masking_gru").values()
    np.testing.assert_array_equal(x, again)


def test_a_stateful_model_gets_several_batches():
    (x,) = drawn("keras-3.15/stateful_stack").values()
    assert len(x) == 3


def test_given_arrays_go_by_name_by_order_or_alone(tmp_path):
    x, y = np.zeros((2, 3)), np.ones((2, 4))
    for given in ({"b": y, "a": x}, [x, y]):
        found = samples.by_name(given, ["a", "b"], "input")
        assert [a.shape for a in found.values()] == [(2, 3), (2, 4)]
    np.savez(tmp_path / "both.npz", x, y)
    assert samples.by_name(tmp_path / "both.npz", ["a", "b"], "input")["b"].max() == 1
    np.savez(tmp_path / "one.npz", whatever=x)
    assert "a" in samples.by_name(tmp_path / "one.npz", ["a"], "input")
    for wrong in ({"a": x}, [x], {"a": x, "c": y}, x):
        with pytest.raises(gru2np.InputError, match=r"expected|an array"):
            samples.by_name(wrong, ["a", "b"], "input")


# The choice of Keras.


def unlike(name, version):
    keras = installed_keras.Keras("tf_keras", "tf-keras", version, 2)
    with convert(model_of(name)) as conversion:
        return list(installed_keras.differences(conversion, keras))


def test_a_keras_that_zeroes_masked_outputs_is_not_taken_for_one_that_repeats_them():
    lines = unlike(MASKED, "2.21.0")
    assert any("masked_output" in line and "'zero'" in line for line in lines)
    assert unlike("keras-2.2/masking_gru", "2.21.0") == []
    assert unlike("tf-2.10/mask_bidirectional", "2.21.0") == []


def test_states_in_another_order_matter_where_they_are_seen():
    """``reverse_state_order`` of tf-keras does not what Keras 2.1 did."""
    assert any("reverse_state_order" in x for x in unlike(STACK, "2.21.0"))


@pytest.mark.parametrize("name", ["keras-2.1", "keras-2.2", "tf-1.15"])
def test_a_keras_that_takes_frozen_layers_for_others_is_not_asked(name):
    """It goes by an order that the names of the arrays belie, all of one shape."""
    lines = unlike(f"{name}/frozen_unsaid", "2.21.0")
    assert lines[0].startswith("weight 'outer/")
    assert "first/kernel:0, tf-keras 2.21.0: " in lines[0]
    assert unlike(f"{name}/frozen_nested", "2.21.0") == []


def test_a_later_keras_3_may_merge_masks_otherwise():
    keras = installed_keras.Keras("keras", "keras", "3.3.3", 3)
    with convert(model_of("keras-3.15/mask_merges_two_h5")) as conversion:
        assert any(
            "mask" in line for line in installed_keras.differences(conversion, keras)
        )
        same = installed_keras.Keras("keras", "keras", "3.15.1", 3)
        assert list(installed_keras.differences(conversion, same)) == []


def test_an_unfaithful_keras_is_refused_with_the_reason(no_child, monkeypatch):
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    monkeypatch.setattr(installed_keras, "_installed", lambda generation: keras)
    monkeypatch.setattr(installed_keras.importlib.util, "find_spec", lambda name: name)
    result = run(model_of(MASKED))
    assert result.exit_code == 3
    assert "masked_output: Keras 2.2.4 means" in result.stderr
    assert "--expected" in result.stderr
    assert result.stdout == ""


def test_without_tensorflow_it_says_what_to_install(no_child, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installed_keras.importlib.metadata, "version", missing)
    result = run(model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "pip install 'gru2np[verify]'" in result.stderr


def test_what_gru2np_refuses_never_reaches_keras(no_child, tmp_path):
    path = tmp_path / "lambda.h5"
    shutil.copy(model_of(OLD), path)
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        text = config.decode() if isinstance(config, bytes) else config
        file.attrs["model_config"] = text.replace('"Dense"', '"Lambda"')
    result = run(path)
    assert result.exit_code == 3
    assert "Lambda" in result.stderr


def test_what_names_code_outside_of_keras_is_seen():
    evil = {"module": "os", "class_name": "function", "config": "system"}
    assert plain_config.foreign({"config": [{"kernel_initializer": evil}]})
    mine = {"class_name": "function", "config": "mine", "module": None}
    assert plain_config.foreign({"bias_constraint": mine})
    assert not plain_config.foreign({"compile_config": {"loss": evil}})
    for module in ("keras.utils", "kerasevil", "keras.src.saving", 3):
        assert plain_config.foreign({"module": module, "class_name": "X"})
    for module in ("keras.layers", "keras", "keras.src.ops.numpy", None):
        assert not plain_config.foreign({"module": module, "class_name": "X"})
    eval_ = {"module": "builtins", "class_name": "function", "config": "eval"}
    assert plain_config.foreign(eval_)
    assert not plain_config.foreign({**eval_, "config": "tanh"})


def plain(name):
    with convert(model_of(name)) as conversion:
        return plain_config.plain(conversion, keras2=True)


def test_a_plain_configuration_writes_out_what_old_files_leave_out():
    config, written = plain(OLD)
    assert written == ["GRU reset_after=False"]
    text = json.dumps(config)
    assert "reset_after" in text
    assert "initializer" not in text
    config, _ = plain("keras-2.2/sequential_input_layer")
    first = config["config"]["layers"][0]["config"]
    assert len(first["batch_input_shape"]) == 3


def test_exchanged_arguments_are_told_from_damage(no_child, tmp_path):
    bundle = tmp_path / "model.npz"
    gru2np.export(model_of("keras-3.15/gru"), bundle)
    result = run(bundle, model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "expected a saved Keras model, got a bundle" in result.stderr
    assert "MODEL BUNDLE: the saved model first" in result.stderr
    for model in ("keras-3.15/gru", OLD):
        result = run(model_of(model), model_of(model))
        assert result.exit_code == 3
        assert "expected a bundle, an .npz that gru2np export wrote" in result.stderr


# What both sides assume.


def assumed(name, version="3.15.1"):
    keras = "keras" if version.startswith("3") else "tf-keras"
    with convert(*golden(name).files()) as conversion:
        return shared(conversion, Reference(keras, version, "2.21.0"))


def test_only_what_a_file_leaves_open_is_assumed():
    (names,) = assumed("keras-3.15/gru")
    assert names == (
        "tanh and sigmoid are from Keras and not custom objects of the same name: the "
        "file names no module"
    )
    _, version = assumed("keras-3.15/gru", "3.16.0")
    assert version == "Keras 3.16.0 computes what Keras 3.15.1 did"


def test_classes_of_a_legacy_file_and_what_it_never_says_are_assumed():
    names, version, masks = assumed("keras-2.2/encoder_decoder", "2.21.0")
    assert names.startswith("LSTM, GRU, Dense, tanh and 2 more are from Keras")
    assert version == "tf-keras 2.21.0 computes what Keras 2.2.4 did"
    assert masks.startswith("no mask (encoder, decoder")


def test_a_backend_that_no_file_names_is_assumed_where_it_matters():
    with convert(*golden("keras-3.15/stateful_masked").files()) as conversion:
        (text,) = conversion.built.warnings
    assert "layer 'lstm': stateful: Keras 3.15.1 on TensorFlow means True" in text
    with convert(*golden("keras-3.15/masking_gru").files()) as conversion:
        assert conversion.built.warnings == []


# Recorded outputs: no Keras anywhere.


def test_recorded_outputs_need_no_keras(no_child, tmp_path):
    case = golden("keras-2.2/several_inputs_outputs")
    inputs = dict(zip(case.facts["input_names"], case.arrays(0, "x"), strict=True))
    outputs = dict(zip(case.facts["output_names"], case.arrays(0, "y"), strict=True))
    np.savez(tmp_path / "x.npz", **inputs)
    np.savez(tmp_path / "y.npz", **outputs)
    bundle = tmp_path / "model.npz"
    gru2np.export(case.files()[0], bundle)
    files = [case.files()[0], bundle, "--input", tmp_path / "x.npz", "--expected"]
    result = run(*files, tmp_path / "y.npz", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["agree"]
    assert [own["name"] for own in answer["outputs"]] == case.facts["output_names"]
    first = next(iter(outputs))
    np.savez(tmp_path / "wrong.npz", **{**outputs, first: outputs[first] + 1})
    result = run(*files, tmp_path / "wrong.npz")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith(
        f"differ: 1 of 3 outputs ({first}:"
    )


def test_a_bundle_of_another_file_is_compared_and_noted(no_child, tmp_path):
    case, other = golden(OLD), golden("keras-2.2/mixed_stack")
    gru2np.export(other.files()[0], tmp_path / "other.npz")
    np.save(tmp_path / "x.npy", case.arrays(0, "x")[0])
    np.save(tmp_path / "y.npy", case.arrays(0, "y")[0])
    files = ["--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy"]
    result = run(case.files()[0], tmp_path / "other.npz", *files)
    assert result.exit_code in (0, 1)
    assert "was exported from another file" in result.stderr


def test_expected_needs_its_input_and_no_layers(no_child, tmp_path):
    path = tmp_path / "y.npy"
    np.save(path, np.zeros(3))
    assert run(model_of(OLD), "--expected", path).exit_code == 2
    options = ["--expected", path, "--input", path, "--layers"]
    assert run(model_of(OLD), *options).exit_code == 2
    assert run(model_of(OLD), "--input", path).exit_code == 3
    assert run(model_of(OLD), "--input", path, "--case", "long").exit_code == 2
    assert run(model_of(OLD), "--case", "no").exit_code == 3
    assert run(model_of(OLD), "--record").exit_code == 2
    assert run(model_of(OLD), "--report", path).exit_code == 2


def stand_in(monkeypatch, answer):
    """Give ``answer(x, y)`` for Keras' outputs, y being what the runtime gives."""

    def ask(folder, keras):
        model = load(golden("keras-3.15/gru").bundle())
        cases = []
        with np.load(folder / "inputs.npz") as inputs:
            for i in range(len(inputs.files)):
                x = inputs[f"case{i}_x0"]
                try:
                    np.savez(folder / f"arrays{i}.npz", y0=answer(x, model.predict(x)))
                except ValueError as error:
                    cases.append({"failed": f"ValueError: {error}"})
                    continue
                one = {"key": None, "array": "y0", "dtype": "float32"}
                cases.append({"outputs": [one], "nodes": []})
        version = {"version": keras.version, "tensorflow": "2.21.0", "plain": False}
        return {**version, "cases": cases}

    monkeypatch.setattr(keras_process, "_ask", ask)
    keras = installed_keras.Keras("keras", "keras", "3.15.1", 3)
    monkeypatch.setattr(installed_keras, "_installed", lambda generation: keras)
    monkeypatch.setattr(installed_keras.importlib.util, "find_spec", lambda name: name)


def test_a_case_that_keras_refuses_is_left_out_with_a_note(monkeypatch):
    """And where it refuses every case, it cannot run the model."""
    most = 100

    def answer(x, y):
        if x.shape[1] > most:
            raise ValueError(f"at most {most} steps")
        return y

    stand_in(monkeypatch, answer)
    result = run(model_of("keras-3.15/gru"))
    assert result.exit_code == 0, result.stderr
    assert "Note: case long is left out: Keras 3.15.1" in result.stderr
    assert "at most 100 steps" in result.stderr
    assert "\nlong" not in result.stdout
    assert "\none-step" in result.stdout
    most = 0
    result = run(model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "cannot run this model: ValueError: at most 0 steps" in result.stderr


def test_large_numbers_that_overflow_in_keras_say_nothing(monkeypatch):
    """What is NaN then hangs on how it is compiled; what is finite does not."""

    def answer(x, y):
        return y / (np.abs(x).max() < 50)

    with np.errstate(divide="ignore", invalid="ignore"):
        stand_in(monkeypatch, answer)
        result = run(model_of("keras-3.15/gru"))
    assert result.exit_code == 0, result.stderr
    assert "case saturated is left out: numbers that large overflow" in result.stderr
    stand_in(monkeypatch, lambda x, y: y + (np.abs(x).max() > 50))
    result = run(model_of("keras-3.15/gru"))
    assert result.exit_code == 1
    assert re.search(r"^\w+ +saturated .* differ$", result.stdout, re.MULTILINE)


# Real Keras, in child processes of some seconds each.


@tensorflow
def test_a_model_of_keras_3_agrees_layer_by_layer(tmp_path):
    """Its nested model is called twice, so calls are numbered across models."""
    model, bundle, page = model_of("keras-3.15/nested_twice"), "m.npz", "page.html"
    bundle, page = tmp_path / bundle, tmp_path / page
    gru2np.export(model, bundle)
    result = run(model, bundle, "--layers", "--record", "--report", page)
    assert result.exit_code == 0, result.stderr
    assert f"wrote {page}" in result.stderr
    assert "</html>" in page.read_text("utf-8")
    assert "Both assume" in page.read_text("utf-8")
    assert "Both assume: " in result.stdout
    assert "recorded in m.npz: " in result.stderr
    load(bundle, check=True)
    assert json.loads(bytes(read_members(bundle.read_bytes())[MANIFEST]))["proof"]
    assert result.stdout.splitlines()[-1].startswith("agree: ")
    assert "#1" in result.stdout
    assert "not compared" not in result.stdout
    assert "Keras 3" in result.stdout.splitlines()[-1]


@tensorflow
def test_an_old_model_of_keras_2_agrees_in_tf_keras():
    """Keras 2.1 wrote no ``reset_after``; tf-keras would take it for true."""
    result = run(model_of(OLD), "--layers", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["agree"]
    assert answer["first_difference"] is None
    assert any("computes what Keras 2.1" in text for text in answer["assumptions"])
    assert answer["missed"] == []
    assert answer["cases"][0]["name"] == "typical"
    assert all(case["agree"] and case["seed"] == 0 for case in answer["cases"])
    assert answer["reference"].startswith("tf-keras 2")
    assert "reset_after=False" in answer["notes"][0]
    assert {"GRU", "LSTM"} <= {layer["class_name"] for layer in answer["layers"]}


@tensorflow
def test_a_damaged_bundle_differs_and_its_layer_is_named(tmp_path):
    out = io.BytesIO()
    gru2np.export(model_of(OLD), out)
    data = out.getvalue()
    manifest = bytes(read_members(data)[MANIFEST])
    _, arrays = read_bundle(data)
    path = next(name for name in arrays if name.endswith("gru_2/kernel"))
    z, r, h = np.split(arrays[path], 3, axis=1)
    arrays[path] = np.concatenate([r, z, h], axis=1)
    with (tmp_path / "damaged.npz").open("wb") as file:
        writer = Writer(file)
        for name, array in arrays.items():
            writer.add_array(name, array)
        writer.add(MANIFEST, manifest)
        writer.close()
    options = ["--layers", "--seed", "3", "--case", "saturated", "--record"]
    before = (tmp_path / "damaged.npz").read_bytes()
    result = run(model_of(OLD), tmp_path / "damaged.npz", *options)
    assert result.exit_code == 1, result.stderr
    assert "nothing is recorded, because outputs differ" in result.stderr
    assert (tmp_path / "damaged.npz").read_bytes() == before
    lines = result.stdout.splitlines()
    assert lines[-2].startswith("first difference: layer gru_2 (GRU): ")
    assert "from float64" in lines[-2]
    assert lines[1].startswith("input ")
    assert lines[1].endswith(" float32, seed 3, case saturated")
    assert lines[-1].startswith("differ: 1 of 1 output")
    marked = next(line for line in lines if line.endswith("< first"))
    assert marked.startswith("gru_2")


@tensorflow
def test_a_model_that_amplifies_rounding_neither_agrees_nor_differs():
    """Two LSTM of large weights: after 40 random ids a last digit is half of all."""
    model = MODELS / "textgenrnn_cudnn" / "hacker_news_cudnn_full.h5"
    if not model.exists():
        pytest.skip("shared/models is not here")
    result = run(model, "--case", "odd-batch")
    assert result.exit_code == 3
    assert "no two programs agree on it; --layers compares" in result.stderr
    assert result.stdout == ""


@tensorflow
def test_states_are_carried_from_batch_to_batch():
    verify = import_module("gru2np.verification.verify").verify
    found = verify(model_of("keras-3.15/stateful_masked"), layers=True)
    assert found.agrees
    assert found.first_difference is None
    assert found.layers


@tensorflow
def test_what_keras_cannot_load_is_refused_with_its_own_words():
    """Keras 3 cannot load its own HDF5 files once masks have left ops in them."""
    result = run(model_of("keras-3.15/mask_merges_two_h5"))
    assert result.exit_code == 3
    assert (
        "is the right Keras for this file, but cannot load this file" in result.stderr
    )
    assert "--expected" in result.stderr


@tensorflow
def test_what_keras_gives_as_well_is_warned_of(tmp_path):
    """A softmax of one number: Keras reads the name as the runtime does."""
    path = ROOT.parent / "shared" / "cases" / "own_softmax_over_time" / "m.keras"
    if not path.exists():
        pytest.skip(f"no {path}")
    gru2np.export(path, tmp_path / "m.npz")
    found = gru2np.verify(path, tmp_path / "m.npz")
    assert found.agrees
    assert any("softmax over an axis of length 1" in note for note in found.notes)
