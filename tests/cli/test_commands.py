"""How every command ends: exit codes, and errors without a traceback."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
from command_line import run
from goldens import FIXTURES, Golden
from gru2np.cli.commands import EXIT_CODES
from modelfiles import recorded

GRU = "keras-2.2/get_weights_explained"
# A device on which there is never room.
FULL = Path("/dev/full")


def test_both_command_lines_have_one_table():
    assert runtime_main.EXIT_CODES == EXIT_CODES


def test_0_done(model):
    assert run("export", model).exit_code == 0


def test_1_outputs_differ(model, tmp_path):
    (x,), (y,) = recorded(GRU)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y + 1)
    options = ("--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy")
    assert run("verify", model, *options).exit_code == EXIT_CODES["differs"]


def test_2_usage(model):
    for arguments in (
        ("export",),
        ("export", model, "--nonsense"),
        ("nonsense",),
        ("export", model.with_name("missing.h5")),
        ("inspect", model.with_name("missing.h5")),
        ("predict", model.with_name("missing.npz"), "-i", model, "-o", "y.npy"),
        ("export", model, "--weights", model.with_name("missing.h5")),
    ):
        result = run(*arguments)
        assert result.exit_code == EXIT_CODES["usage"], arguments
        assert result.stdout == ""
        assert "Error: " in result.stderr


def test_3_refused(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"no model")
    result = run("export", path)
    assert result.exit_code == EXIT_CODES["refused"]
    assert result.stderr.startswith("Error: model.h5: expected a Keras model")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [("inspect",), ("inspect", "--json"), ("export",), ("verify",)],
    ids=" ".join,
)
@pytest.mark.parametrize("damage", ["layers", "class"])
def test_3_a_damaged_architecture_is_refused(words, damage, tmp_path):
    folder = FIXTURES / "keras-3.15" / "gru_json"
    architecture = json.loads((folder / "architecture.json").read_text("utf-8"))
    layers = architecture["config"]["layers"]
    gru = next(own for own in layers if own["class_name"] == "GRU")
    if damage == "layers":
        architecture["config"]["layers"] = 3
    else:
        gru["config"]["activation"] = {"class_name": {}}
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(architecture), "utf-8")
    result = run(*words, path, "--weights", folder / "weights.h5")
    described = words[0] == "inspect" and damage == "class"
    assert result.exit_code == (0 if described else 3), result.output
    expected = {"layers": "an array, got 3", "class": "activation"}
    assert expected[damage] in result.output


def test_70_internal_error_with_its_traceback(model, monkeypatch):
    def broken(*_arguments, **_options):
        raise LookupError("a bug")

    monkeypatch.setattr("gru2np.inspection.choices.sentences", broken)
    result = run("export", model)
    assert result.exit_code == EXIT_CODES["internal"]
    assert "Traceback" in result.stderr
    assert "LookupError: a bug" in result.stderr
    assert not model.with_suffix(".npz").exists()


def test_130_interrupted(model, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("gru2np_runtime.bundle.container.Writer.close", interrupt)
    result = run("export", model)
    assert result.exit_code == EXIT_CODES["interrupted"]
    assert result.stderr == "Interrupted.\n"
    assert sorted(model.parent.iterdir()) == [model]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other pipes")
def test_141_broken_pipe(model):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gru2np", "inspect", str(model)],
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert done.returncode == EXIT_CODES["broken_pipe"]
    assert done.stderr == b""


@pytest.mark.skipif(not FULL.exists(), reason="no such device here")
def test_a_full_disk_at_standard_output_is_reported(model):
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gru2np", "inspect", str(model)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == EXIT_CODES["refused"]
    assert done.stderr == (
        f"Error: standard output cannot be written: {os.strerror(errno.ENOSPC)}\n"
    )


def test_a_damaged_bundle_is_refused(bundle):
    data = bundle.read_bytes()
    bundle.write_bytes(data[: len(data) // 2])
    for arguments in (
        ("inspect", bundle),
        ("predict", bundle, "-i", bundle, "-o", "y"),
    ):
        result = run(*arguments)
        assert result.exit_code == EXIT_CODES["refused"]
        assert "cut " in result.stderr


def test_damage_is_reported_with_the_name_of_the_bundle(model, bundle, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[-3000] ^= 1
    bundle.write_bytes(data)
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((1, 2, 3), "float32"))
    for arguments in (
        ("inspect", bundle),
        ("predict", bundle, "-i", x, "-o", tmp_path / "y.npy"),
        ("ship", bundle, tmp_path / "device"),
        ("verify", model, bundle, "--input", x, "--expected", x),
    ):
        result = run(*arguments)
        assert result.exit_code == EXIT_CODES["refused"]
        assert result.stderr.startswith(f"Error: {bundle}: ")


def test_names_in_a_model_give_a_terminal_no_commands(tmp_path):
    codes = "a\x1b[2J\x9b1m\u202eb"
    source = FIXTURES / "keras-2.2" / "gru_json"
    config = json.loads((source / "architecture.json").read_text())
    config["config"]["name"] = codes
    for layer in config["config"]["layers"]:
        layer["config"]["name"] += codes
    model, bundle = tmp_path / "a.json", tmp_path / "a.npz"
    model.write_text(json.dumps(config))
    x, y = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(x, Golden(source).arrays(0, "x")[0])
    more = ("--weights", source / "weights.h5")
    for arguments in (
        ("export", model, *more, "-o", bundle),
        ("inspect", model, *more),
        ("inspect", bundle),
        ("predict", bundle, "-i", x, "-o", y),
        ("verify", model, *more, "--input", x, "--expected", y),
        ("verify", model, *more, "--input", x, "--expected", x),
        ("export", model, *more, "--outputs", "nothing", "-o", tmp_path / "b.npz"),
    ):
        result = run(*arguments)
        said = result.stdout + result.stderr
        assert "a?[2J?1m?b" in said or arguments[:1] == ("export",), said
        assert result.exit_code in (0, 1, 3)
        assert all(line.isprintable() for line in said.split("\n")), said
