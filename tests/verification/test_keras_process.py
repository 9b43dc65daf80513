"""Cases that Keras cannot run are left out, with a note."""

from __future__ import annotations

import re

import numpy as np

from command_line import run_verify
from gru2np.verification import installed_keras, keras_process
from gru2np_runtime import load
from modelfiles import golden, model_of


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
    result = run_verify(model_of("keras-3.15/gru"))
    assert result.exit_code == 0, result.stderr
    assert "Note: case long is left out: Keras 3.15.1" in result.stderr
    assert "at most 100 steps" in result.stderr
    assert "\nlong" not in result.stdout
    assert "\none-step" in result.stdout
    most = 0
    result = run_verify(model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "cannot run this model: ValueError: at most 0 steps" in result.stderr


def test_a_case_that_overflows_in_keras_is_left_out(monkeypatch):
    """What is NaN then hangs on how it is compiled; what is finite does not."""

    def answer(x, y):
        return y / (np.abs(x).max() < 50)

    with np.errstate(divide="ignore", invalid="ignore"):
        stand_in(monkeypatch, answer)
        result = run_verify(model_of("keras-3.15/gru"))
    assert result.exit_code == 0, result.stderr
    assert "case saturated is left out: numbers that large overflow" in result.stderr
    stand_in(monkeypatch, lambda x, y: y + (np.abs(x).max() > 50))
    result = run_verify(model_of("keras-3.15/gru"))
    assert result.exit_code == 1
    assert re.search(r"^\w+ +saturated .* differ$", result.stdout, re.MULTILINE)
