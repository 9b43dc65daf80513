"""Keras 1: what is said of its files, and what they are compared with."""

import json

import numpy as np
import pytest

import goldens
import gru2np
from command_line import run
from gru2np.convert import convert
from gru2np.errors import VerificationError
from gru2np.verification import installed_keras
from modelfiles import fixture, meaning_said

KERAS_1 = "keras-1.2/lstm"
THEANO = "keras-2.1-theano/convolution_same"


def test_the_release_of_keras_1_and_joined_weights_are_mentioned():
    report = gru2np.inspect(fixture("keras-1.2-theano/lstm"))
    text = run("inspect", fixture(KERAS_1)).stdout
    assert "Keras 1.2.2 on TensorFlow" in text
    assert "clip(0.2 * x + 0.5" in "\n".join(report.meaning)
    assert "matrices of single gates are joined" in "\n".join(report.meaning)


def test_kernels_and_windows_of_theano_are_mentioned():
    text = meaning_said(THEANO)
    assert "flipped in time" in text
    assert "pads as Theano does" in text
    assert "flipped" not in meaning_said("keras-2.2/convolution_stack")


def test_the_gates_of_keras_1_are_reordered():
    report = gru2np.inspect(fixture(KERAS_1))
    columns = report.gates[0].columns
    assert sorted(columns, key=lambda gate: columns[gate]) == ["i", "f", "c", "o"]


def test_no_installed_keras_is_used_for_keras_1(tmp_path):
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
    result = run(*arguments, "--expected", y)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["agree"] is True
