"""``gru2np export``: what it prints and writes, and which inputs it refuses."""

import errno
import hashlib
import json
import shutil

import numpy as np
import pytest

from command_line import run
from goldens import FIXTURES
from gru2np.cli.commands import EXIT_CODES
from modelfiles import fixture, with_class, with_weight, without_weights

GRU = "keras-2.2/get_weights_explained"


def test_export_writes_next_to_the_model(model):
    result = run("export", model)
    bundle = model.with_suffix(".npz")
    assert result.stdout == f"{bundle}\n"
    wrote, following = result.stderr.splitlines()
    assert wrote == f"wrote {bundle}: 2 layers, 33 parameters, 4.38 kB"
    assert following == f"Next: gru2np verify {model} {bundle}"
    with np.load(bundle, allow_pickle=False) as arrays:
        assert arrays["gru_1/kernel"].shape == (1, 6)


def test_export_is_quiet_on_request(model):
    result = run("export", model, "-q")
    assert (result.stdout, result.stderr) == (f"{model.with_suffix('.npz')}\n", "")


def test_export_json(model, tmp_path):
    out = tmp_path / "out.npz"
    record = json.loads(run("export", model, "-o", out, "--json").stdout)
    assert record.pop("meaning")[0].startswith("hard_sigmoid is clip(0.2 * x + 0.5")
    assert record == {
        "schema": "gru2np/export/1",
        "output": str(out),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
        "layers": 2,
        "parameters": 33,
        "keras_version": "2.2.4",
        "not_finite": [],
        "half_precision": [],
        "notes": [],
        "storage": None,
        "stored_small": 0,
    }


def test_export_of_an_architecture(tmp_path):
    out = tmp_path / "m.npz"
    case = "keras-2.2/gru_json"
    architecture, weights = (
        fixture(case, n) for n in ("architecture.json", "weights.h5")
    )
    result = run("export", architecture, "--weights", weights, "-o", out)
    assert result.exit_code == 0
    assert f"--weights {weights}" in result.stderr
    lonely = run("export", architecture, "-o", out, "-f")
    assert lonely.exit_code == EXIT_CODES["refused"]
    assert "--weights" in lonely.stderr


def test_export_keeps_an_existing_output(model):
    out = model.with_suffix(".npz")
    out.write_bytes(b"precious")
    result = run("export", model)
    assert result.exit_code == EXIT_CODES["usage"]
    assert result.stderr == f"Error: '{out}' exists already: --force replaces it\n"
    assert out.read_bytes() == b"precious"
    assert run("export", model, "--force").exit_code == 0
    assert out.read_bytes()[:2] == b"PK"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            "model.h5",
            "expected a name that ends in .npz, as a bundle is one, got '.h5'",
        ),
        ("nowhere/model.npz", "there is no folder"),
        (".", "is a folder: name a file in it with -o"),
    ],
)
def test_export_refuses_an_output_that_cannot_be(model, output, text):
    before = model.read_bytes()
    result = run("export", model, "--force", "-o", model.parent / output)
    assert result.exit_code == EXIT_CODES["usage"]
    assert text in result.stderr
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ("gru.h5", "-o gru.npz"),
        ("gru.keras", "-o gru.npz"),
        ("gru.v2", "-o gru.v2.npz"),
        ("my gru.json", "-o 'my gru.npz'"),
    ],
)
def test_a_bundle_is_an_npz(model, output, named, monkeypatch):
    monkeypatch.chdir(model.parent)
    result = run("export", model, "-o", output)
    assert result.exit_code == EXIT_CODES["usage"]
    assert named in result.stderr
    assert sorted(model.parent.iterdir()) == [model]


def test_a_missing_suffix_is_added_and_noted(model):
    out = model.with_name("gru")
    result = run("export", model, "-o", out)
    assert result.exit_code == 0
    assert result.stdout == f"{out}.npz\n"
    assert result.stderr.startswith(f"Note: {out} has no suffix, so .npz is added\n")
    assert out.with_suffix(".npz").exists()
    assert not out.exists()
    assert run("export", model, "-o", out).exit_code == EXIT_CODES["usage"]


@pytest.mark.parametrize(
    "where", ["tempfile.mkdtemp", "gru2np_runtime.bundle.container.Writer.add"]
)
def test_export_to_a_place_that_cannot_be_written(model, monkeypatch, where):
    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(where, refuse)
    result = run("export", model)
    out = model.with_suffix(".npz")
    assert result.exit_code == EXIT_CODES["refused"]
    text = f"Error: {out}: cannot be written: No space left on device\n"
    assert result.stderr == text
    assert sorted(model.parent.iterdir()) == [model]


def test_export_warns_of_weights_that_are_not_finite(tmp_path):
    model = with_weight(GRU, tmp_path / "m.h5", np.nan)
    result = run("export", model, "-q")
    assert result.exit_code == 0
    assert "Warning: weights hold NaN or infinity: " in result.stderr


def test_export_notes_that_half_precision_runs_in_float32(tmp_path):
    model = fixture("keras-3.15/mixed_float16", "model.keras")
    result = run("export", model, "-o", tmp_path / "m.npz")
    assert "policy mixed_float16, computed in float32" in result.stderr


def wrong_inputs(folder):
    """Path of a bad model, and what the refusal says."""
    h5, keras = (
        fixture(GRU).read_bytes(),
        fixture("keras-3.15/gru", "model.keras").read_bytes(),
    )
    files = {
        "text.h5": b"hello",
        "empty.h5": b"",
        "empty.keras": b"",
        "cut.h5": h5[: len(h5) // 2],
        "cut.keras": keras[: len(keras) // 2],
        "page.h5": b"<!DOCTYPE html><html>",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with_class(
        GRU, folder / "lambda.h5", "dense_1", "Lambda", function=["x", None, None]
    )
    with_class(GRU, folder / "custom.h5", "dense_1", "MDN")
    without_weights(GRU, folder / "bare.h5")
    np.savez(folder / "arrays.npz", a=np.ones(3))
    return {
        "text.h5": "expected a Keras model",
        "empty.h5": "expected a Keras model",
        "empty.keras": "expected a Keras model",
        "cut.h5": "cut short",
        "cut.keras": "cut short",
        "page.h5": "a web page",
        "lambda.h5": "layer 'dense_1' (Lambda)",
        "custom.h5": "layer 'dense_1' (MDN)",
        "bare.h5": "weights",
        "arrays.npz": "weights without an architecture",
    }


def test_wrong_inputs_are_refused_with_a_reason(tmp_path):
    out = tmp_path / "out.npz"
    out.write_bytes(b"precious")
    for name, text in wrong_inputs(tmp_path).items():
        result = run("export", tmp_path / name, "-o", out, "--force")
        assert result.exit_code == EXIT_CODES["refused"], name
        assert result.stdout == ""
        assert result.stderr.startswith("Error: "), name
        assert text in result.stderr, f"{name}: {result.stderr}"
        assert out.read_bytes() == b"precious"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_bundle_is_no_model_to_export(model, bundle):
    before = bundle.read_bytes()
    result = run("export", bundle, "--force")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "it is exported already" in result.stderr
    # A model under such a name is not replaced by its own bundle.
    bundle.write_bytes(model.read_bytes())
    result = run("export", bundle, "--force")
    assert result.exit_code == EXIT_CODES["usage"]
    assert bundle.read_bytes() == model.read_bytes() != before


@pytest.mark.parametrize(("given", "name"), [("model", "model.npz"), (".", "work.npz")])
def test_the_bundle_of_a_directory_is_written_next_to_it(
    given, name, tmp_path, monkeypatch
):
    work = tmp_path / "work"
    folder = work if given == "." else work / given
    shutil.copytree(FIXTURES / "keras-3.15" / "gru_directory" / "model", folder)
    monkeypatch.chdir(work)
    result = run("export", given)
    assert result.exit_code == 0, result.output
    beside = tmp_path if given == "." else work
    assert (beside / name).exists()


def test_a_bundle_is_not_written_to_standard_output(model):
    result = run("export", model, "-o", "-")
    assert result.exit_code == 2
    assert "name a file" in result.stderr
