"""Verify where no installed Keras reads the file: Keras 3 runs it as upgraded."""

from __future__ import annotations

import json

import pytest

import gru2np
from bundle_edits import written
from command_line import run_verify
from gru2np.convert import convert
from gru2np.verification import upgraded_file
from gru2np.verification.installed_keras import NoReader
from gru2np_runtime.bundle.container import MANIFEST, read_members
from modelfiles import fixture, model_of
from needs_keras import needs_keras

OLD = "keras-1.2-theano/gru"
REFUSED = "keras-2.0/stateful_masked"
SCALED = "weights before hard_sigmoid are multiplied by 1.2"


def edited(path, change):
    """Change the manifest of a bundle."""
    data = path.read_bytes()
    manifest = json.loads(bytes(read_members(data)[MANIFEST]))
    change(manifest["graph"]["layers"])
    path.write_bytes(written(data, manifest))


@needs_keras
def test_a_model_of_keras_1_on_theano_is_run_as_upgraded(tmp_path):
    bundle, page = tmp_path / "m.npz", tmp_path / "page.html"
    gru2np.export(fixture(OLD), bundle)
    result = run_verify(fixture(OLD), bundle, "--layers", "--record", "--report", page)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "model.h5 (Keras 1.2.2 on Theano) as m.npz"
    assert lines[1] == f"run as upgraded in Keras 3.15.1; rewritten: {SCALED} (cpu"
    assert lines[-1].startswith("agree: 2 outputs in ")
    assert lines[-1].endswith(" on the upgraded file")
    said = " ".join(result.stdout.split())
    assert f"rewritten to the same effect: {SCALED} (cpu and gpu)" in said
    assert "Keras 1.2.2 on Theano meant by this file what gru2np reads" in said
    assert "hard_sigmoid is clip(0.2 * x + 0.5, 0, 1)" in said
    assert "no current Keras opens such files" in result.stderr
    # Layers are compared too, and the proof in the bundle says how they were run.
    assert "not compared" not in result.stdout
    assert any(line.startswith("cpu ") and "GRU" in line for line in lines)
    assert "on the upgraded file" in result.stderr
    proof = json.loads(bytes(read_members(bundle.read_bytes())[MANIFEST]))["proof"]
    assert proof["reference"].endswith(" on the upgraded file")
    text = page.read_text("utf-8")
    assert f"run as upgraded in Keras 3.15.1; rewritten: {SCALED}" in text


@needs_keras
def test_a_gate_of_another_slope_differs_from_the_upgraded_file(tmp_path):
    """A bundle that takes Keras 3's hard_sigmoid for that of Keras 1."""
    bundle = tmp_path / "m.npz"
    gru2np.export(fixture(OLD), bundle)

    def slope(layers):
        layers["cpu"]["attributes"]["recurrent_activation"]["slope"] = 1 / 6

    edited(bundle, slope)
    result = run_verify(fixture(OLD), bundle, "--layers", "--json")
    assert result.exit_code == 1, result.stderr
    answer = json.loads(result.stdout)
    assert answer["first_difference"] == "cpu"
    assert answer["rewritten"] == {"cpu": [SCALED], "gpu": [SCALED]}
    assert not answer["outputs"][0]["agree"]


@needs_keras
def test_convolutions_of_theano_agree():
    """Its convolutions are flipped."""
    path = fixture("keras-1.2-theano/convolution")
    verification = gru2np.verify(path, case="typical")
    assert verification.agrees
    assert verification.rewritten is not None


@needs_keras
def test_a_folder_that_no_keras_opens_is_run_as_upgraded():
    verification = gru2np.verify(model_of("tf-2.10/mixed_stack_tfjs"), case="typical")
    assert verification.agrees
    assert verification.rewritten == {}
    assert str(verification.run_as).endswith("; nothing is rewritten")


@needs_keras
def test_a_part_is_one_of_the_upgraded_file():
    path = fixture("keras-1.2-theano/mixed_stack")
    verification = gru2np.verify(path, part_outputs="lstm", case="typical")
    assert verification.agrees
    assert verification.rewritten is not None
    assert [output.name for output in verification.outputs] == ["lstm"]


def test_a_part_that_takes_a_mask_is_refused(no_child):
    path = fixture("keras-1.2-theano/masking_gru")
    with pytest.raises(gru2np.VerificationError) as caught:
        gru2np.verify(path, part_inputs="masking_1", part_outputs="all")
    assert "no current Keras opens such files" in str(caught.value)
    assert "masks are inputs of the part" in str(caught.value)


def test_where_both_are_refused_both_reasons_are_given(no_child):
    result = run_verify(fixture(REFUSED))
    assert result.exit_code == 3
    assert result.stdout == ""
    first, *_ = result.stderr.splitlines()
    assert first.startswith("Error: tf-keras ")
    assert "would give other numbers for this file than Keras 2.0" in first
    assert "Nor does Keras 3.15.1 run it as upgraded (gru2np upgrade):" in result.stderr
    reason = "at a masked step the output is the carried state"
    assert f"  - layer 'lstm_1' (LSTM): {reason}" in result.stderr
    # What to do instead is said once, at the end.
    assert result.stderr.count("give gru2np verify outputs that were recorded") == 1
    assert result.stderr.splitlines()[-1].startswith("give gru2np verify outputs")


def test_without_a_keras_3_the_reason_is_added(no_child, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from gru2np.verification import installed_keras

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installed_keras.importlib.metadata, "version", missing)
    result = run_verify(fixture(OLD))
    assert result.exit_code == 3
    assert "no current Keras opens such files" in result.stderr
    assert "Nor does Keras 3.15.1 run it as upgraded" in result.stderr
    assert "pip install tensorflow" in result.stderr


def test_the_upgraded_file_is_removed():
    with convert(fixture(OLD)) as conversion:
        upgrade = upgraded_file.upgraded_whole(conversion, None, NoReader("why"))
        with upgraded_file.opened(conversion, upgrade, None) as file:
            assert file.path.read_bytes() == upgrade.data
            assert file.conversion.raw.keras_version == "3.15.1"
            assert list(file.conversion.tensors) == list(conversion.tensors)
    assert not file.path.parent.exists()
