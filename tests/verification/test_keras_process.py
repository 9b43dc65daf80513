"""The child process: what it does is told, and what it cannot run is left out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from command_line import program, run_verify
from gru2np.errors import VerificationError
from gru2np.verification import installed_keras, keras_process
from gru2np_runtime import load
from modelfiles import golden, model_of
from needs_keras import needs_keras


def stand_in(monkeypatch, answer):
    """Give ``answer(x, y)`` for Keras' outputs, y being what the runtime gives."""

    def ask(folder, keras, progress):
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


KERAS = installed_keras.Keras("keras", "keras", "3.15.1", 3)
# Does what the child does, one step each time that the parent has looked.
CHILD = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
for word in ("imported", "loaded", "case", "case", "layers", "layers"):
    while not (folder / "looked").exists():
        time.sleep(0.01)
    (folder / "looked").unlink()
    with (folder / "progress").open("a") as file:
        file.write(word + chr(10))
print("x" * 1_000_000)
(folder / "answer.json").write_text('{"cases": []}')
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A function that puts a program in the place of the child."""

    def put(program):
        path = tmp_path / "child.py"
        path.write_text(program)
        monkeypatch.setattr(keras_process, "CHILD", path)
        monkeypatch.setattr(keras_process, "PAUSE", 0.05)

    return put


def test_every_step_of_the_child_is_told(tmp_path, child):
    child(CHILD)
    steps = keras_process._Steps(tmp_path, "Keras 3.15.1", ["zeros", "long"], 2, True)
    seen = []

    def look():
        if not seen or steps.now() != seen[-1]:
            seen.append(steps.now())
        (tmp_path / "looked").touch()

    assert keras_process._ask(tmp_path, KERAS, look) == {"cases": []}
    assert seen == [
        ("starting Keras 3.15.1", 0, 0),
        ("Keras 3.15.1 reads the model", 0, 0),
        ("Keras 3.15.1: case zeros", 0, 4),
        ("Keras 3.15.1: case long", 1, 4),
        ("Keras 3.15.1: layers in case zeros", 2, 4),
        ("Keras 3.15.1: layers in case long", 3, 4),
    ]


@pytest.mark.parametrize("why", ["interrupted", "too long"])
def test_the_child_is_stopped(tmp_path, child, monkeypatch, why):
    child(
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    if why == "too long":
        monkeypatch.setattr(keras_process, "TIMEOUT", 0.5)
    pid = tmp_path / "pid"

    def look():
        if why == "interrupted" and pid.exists():
            raise KeyboardInterrupt

    error = KeyboardInterrupt if why == "interrupted" else VerificationError
    with pytest.raises(error):
        keras_process._ask(tmp_path, KERAS, look)
    if pid.exists() and pid.read_text() and sys.platform != "win32":
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other terminals")
@pytest.mark.parametrize("quiet", [False, True])
@needs_keras
def test_verify_says_what_it_does_on_a_terminal(tmp_path, quiet):
    """On standard error, from the first second; the results are on standard output."""
    import pty

    shown, terminal = pty.openpty()
    words = [sys.executable, "-m", "gru2np", "verify", str(model_of("keras-3.15/gru"))]
    more = ["--json", *(["--quiet"] if quiet else [])]
    process = subprocess.Popen([*words, *more], stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    output = process.communicate(timeout=300)[0]
    with open(shown, "rb", closefd=True) as file:  # noqa: PTH123
        text = b""
        try:
            while part := file.read1(4096):
                text += part
        except OSError:  # Linux: the other end is closed
            pass
    assert json.loads(output)["agree"]
    if quiet:
        assert text == b""
        return
    lines = [line.strip() for line in text.decode().split("\r")]
    assert lines[1] == "verify: reading model.keras"
    parts = iter(lines)
    for said in ("starting Keras 3", ": case ", "comparing"):
        assert any(said in line for line in parts), said
    assert text.endswith(b"\r")
    assert lines[-1] == lines[-2] == ""


@needs_keras
def test_verify_is_silent_in_a_pipe():
    result = program("verify", model_of("keras-3.15/gru"))
    assert result.stderr == b""


PARENT = """
import sys
import time
from pathlib import Path
from gru2np.verification import keras_process
from gru2np.verification.installed_keras import Keras

keras_process._ask(Path(sys.argv[1]), Keras("sleeps", "sleeps", "1", 3), lambda: None)
"""
# Stands in for Keras; the system unlocks its file when the process ends.
SLEEPS = """
import fcntl, pathlib, time

file = open(pathlib.Path(__file__).with_name("running"), "w")
fcntl.flock(file, fcntl.LOCK_EX)
pathlib.Path(__file__).with_name("begun").touch()
time.sleep(600)
"""


def test_the_child_ends_with_a_killed_parent(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    (tmp_path / "request.json").write_text(json.dumps({"module": "sleeps"}))
    path = os.pathsep.join([str(tmp_path), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path], env={**os.environ, "PYTHONPATH": path}
    )
    while not (tmp_path / "begun").exists():
        assert parent.poll() is None
        threading.Event().wait(0.01)
    parent.kill()
    parent.wait()
    with (tmp_path / "running").open() as file:
        for _ in range(6000):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                threading.Event().wait(0.01)
            else:
                return
    pytest.fail("the child runs on")
