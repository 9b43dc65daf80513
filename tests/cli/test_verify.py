"""``gru2np verify`` without a Keras: arguments, and outputs that were recorded."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

import gru2np
from command_line import run_verify
from modelfiles import golden, model_of

OLD = "keras-2.1/mixed_stack"


def test_exchanged_arguments_are_not_reported_as_damage(no_child, tmp_path):
    bundle = tmp_path / "model.npz"
    gru2np.export(model_of("keras-3.15/gru"), bundle)
    result = run_verify(bundle, model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "expected a saved Keras model, got a bundle" in result.stderr
    assert "MODEL BUNDLE takes the saved model first" in result.stderr
    for model in ("keras-3.15/gru", OLD):
        result = run_verify(model_of(model), model_of(model))
        assert result.exit_code == 3
        assert "expected a bundle, an .npz that gru2np export wrote" in result.stderr


def test_recorded_outputs_need_no_keras(no_child, tmp_path):
    case = golden("keras-2.2/several_inputs_outputs")
    inputs = dict(zip(case.facts["input_names"], case.arrays(0, "x"), strict=True))
    outputs = dict(zip(case.facts["output_names"], case.arrays(0, "y"), strict=True))
    np.savez(tmp_path / "x.npz", **inputs)
    np.savez(tmp_path / "y.npz", **outputs)
    bundle = tmp_path / "model.npz"
    gru2np.export(case.files()[0], bundle)
    files = [case.files()[0], bundle, "--input", tmp_path / "x.npz", "--expected"]
    result = run_verify(*files, tmp_path / "y.npz", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["agree"]
    assert [own["name"] for own in answer["outputs"]] == case.facts["output_names"]
    first = next(iter(outputs))
    np.savez(tmp_path / "wrong.npz", **{**outputs, first: outputs[first] + 1})
    result = run_verify(*files, tmp_path / "wrong.npz")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith(
        f"differ: 1 of 3 outputs ({first}:"
    )


def test_a_bundle_of_another_file_is_refused(no_child, tmp_path):
    case, other = golden(OLD), golden("keras-2.2/mixed_stack")
    gru2np.export(other.files()[0], tmp_path / "other.npz")
    np.save(tmp_path / "x.npy", case.arrays(0, "x")[0])
    np.save(tmp_path / "y.npy", case.arrays(0, "y")[0])
    files = ["--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy"]
    result = run_verify(case.files()[0], tmp_path / "other.npz", *files)
    assert result.exit_code == 3
    assert result.stdout == ""
    hashes = [
        hashlib.sha256(own.files()[0].read_bytes()).hexdigest() for own in (other, case)
    ]
    for said in (
        "other.npz was exported from another file than model.h5",
        *(f"{text[:8]}…" for text in hashes),
        "gru2np export model.h5",
        "--force",
    ):
        assert said in result.stderr
    result = run_verify(case.files()[0], tmp_path / "other.npz", *files, "--force")
    assert result.exit_code in (0, 1)
    assert "Note: other.npz was exported from another file" in result.stderr


def test_the_weights_belong_to_the_file(no_child, tmp_path):
    """The same architecture with other weights is another file."""
    case = golden("keras-3.15/gru_json")
    model, weights = case.files()
    bundle, other = tmp_path / "model.npz", tmp_path / "other.h5"
    gru2np.export(model, bundle, weights=weights)
    np.save(tmp_path / "x.npy", case.arrays(0, "x")[0])
    np.save(tmp_path / "y.npy", case.arrays(0, "y")[0])
    files = ["--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy"]
    assert run_verify(model, bundle, "--weights", weights, *files).exit_code == 0
    shutil.copy(weights, other)
    with h5py.File(other, "r+") as file:
        file.attrs["saved"] = "again"
    assert run_verify(model, bundle, "--weights", other, *files).exit_code == 3
    options = ["--weights", other, *files, "--force"]
    assert run_verify(model, bundle, *options).exit_code == 0


def test_a_live_model_has_no_file(no_child, tmp_path):
    """It is saved for each call, so its bytes never equal those of its bundle."""
    case = golden("keras-3.15/gru")

    class Live:
        def save(self, path):
            shutil.copy(case.files()[0], path)
            with zipfile.ZipFile(path, "a") as archive:
                archive.comment = b"another minute"

        def get_config(self):
            return {}

    gru2np.export(case.files()[0], tmp_path / "model.npz")
    found = gru2np.verify(
        Live(),
        tmp_path / "model.npz",
        inputs=case.arrays(0, "x")[0],
        expected=case.arrays(0, "y")[0],
    )
    assert found.agrees
    assert any("another file" in note for note in found.notes)


def test_expected_needs_its_input_and_no_layers(no_child, tmp_path):
    path = tmp_path / "y.npy"
    np.save(path, np.zeros(3))
    assert run_verify(model_of(OLD), "--expected", path).exit_code == 2
    options = ["--expected", path, "--input", path, "--layers"]
    assert run_verify(model_of(OLD), *options).exit_code == 2
    assert run_verify(model_of(OLD), "--input", path).exit_code == 3
    assert run_verify(model_of(OLD), "--input", path, "--case", "long").exit_code == 2
    assert run_verify(model_of(OLD), "--case", "no").exit_code == 3
    assert run_verify(model_of(OLD), "--record").exit_code == 2
    assert run_verify(model_of(OLD), "--report", path).exit_code == 2


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
def test_a_tolerance_is_a_finite_number(no_child, tmp_path, number):
    """Every difference is within NaN and infinity."""
    case = golden("keras-2.2/gru")
    np.save(tmp_path / "x.npy", case.arrays(0, "x")[0])
    files = ["--input", tmp_path / "x.npy", "--expected", tmp_path / "x.npy"]
    for option in ("--atol", "--rtol"):
        result = run_verify(case.files()[0], *files, option, number)
        assert result.exit_code in (2, 3)
        assert option in result.stderr
    for wrong in (float(number), "1", True):
        with pytest.raises(gru2np.InputError, match="atol: expected a finite number"):
            gru2np.verify(case.files()[0], atol=wrong)
