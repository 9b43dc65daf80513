"""The command line: arguments, exit codes, what goes where, wrong inputs."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gru2np
import gru2np_runtime.__main__ as runtime_main
from goldens import FIXTURES
from gru2np.cli import cli
from gru2np.cli.commands import EXIT_CODES
from modelfiles import fixture, recorded, with_class, with_weight, without_weights

GRU = "keras-2.2/get_weights_explained"
# A device on which there is never room.
FULL = Path("/dev/full")


def run(*arguments, **options):
    return CliRunner().invoke(cli, [str(a) for a in arguments], **options)


def program(*arguments, **options):
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gru2np", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        **options,
    )


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(fixture(GRU).read_bytes())
    return path


@pytest.fixture
def bundle(model):
    gru2np.export(model, model.with_suffix(".npz"))
    return model.with_suffix(".npz")


# Help


def test_bare_prints_help_and_is_misuse():
    result = run()
    assert result.exit_code == EXIT_CODES["usage"]
    assert result.stdout == ""
    assert "Usage: " in result.stderr
    for command in cli.commands:
        assert f"\n  {command} " in result.stderr


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_help_ends_with_examples(command, option):
    result = run(command, option)
    assert result.exit_code == 0
    head, _, examples = result.stdout.partition("\nExamples:\n")
    assert all(len(line) <= 80 for line in head.splitlines())
    lines = examples.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"  gru2np {command} ") for line in lines)


def test_the_commands():
    assert sorted(cli.commands) == ["export", "inspect", "predict", "ship", "verify"]


def test_version():
    assert run("--version").stdout == f"gru2np {gru2np.__version__}\n"


def test_help_imports_neither_numpy_nor_h5py():
    code = (
        "import sys\n"
        "from gru2np.cli import cli\n"
        "for arguments in (['--help'], ['export', '-h'], ['verify', '-h']):\n"
        "    cli(arguments, standalone_mode=False)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_every_public_name_is_found():
    assert sorted(gru2np.__all__) == gru2np.__all__ == sorted(gru2np._HOME)
    for name in gru2np.__all__:
        assert getattr(gru2np, name) is not None


# Exit codes


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
def test_3_a_damaged_architecture_is_no_mistake_of_ours(words, damage, tmp_path):
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
def test_141_whoever_read_it_went_away(model):
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
def test_a_full_disk_behind_standard_output_is_no_mistake_of_ours(model):
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


# export


def test_export_writes_beside_the_model(model):
    result = run("export", model)
    bundle = model.with_suffix(".npz")
    assert result.stdout == f"{bundle}\n"
    wrote, following = result.stderr.splitlines()
    assert wrote == f"wrote {bundle}: 2 layers, 33 parameters, 4.38 kB"
    assert following == f"Next: gru2np verify {model} {bundle}"
    with np.load(bundle, allow_pickle=False) as arrays:
        assert arrays["gru_1/kernel"].shape == (1, 6)


def test_export_says_nothing_when_asked(model):
    result = run("export", model, "-q")
    assert (result.stdout, result.stderr) == (f"{model.with_suffix('.npz')}\n", "")


def test_export_json(model, tmp_path):
    out = tmp_path / "out.npz"
    record = json.loads(run("export", model, "-o", out, "--json").stdout)
    assert record.pop("meaning")[0].startswith("hard_sigmoid is clip(0.2 * x + 0.5")
    assert record == {
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
        ("model.h5", "is the input itself"),
        ("nowhere/model.npz", "there is no folder"),
        (".", "is not a regular file"),
    ],
)
def test_export_refuses_an_output_that_cannot_be(model, output, text):
    before = model.read_bytes()
    result = run("export", model, "--force", "-o", model.parent / output)
    assert result.exit_code == EXIT_CODES["usage"]
    assert text in result.stderr
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    "where", ["tempfile.mkstemp", "gru2np_runtime.bundle.container.Writer.add"]
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


def test_export_says_that_half_precision_runs_in_float32(tmp_path):
    model = fixture("keras-3.15/mixed_float16", "model.keras")
    result = run("export", model, "-o", tmp_path / "m.npz")
    assert "policy mixed_float16, computed in float32" in result.stderr


# Wrong inputs: the text, the exit code, and the output untouched


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
        "arrays.npz": "holds no Keras model",
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


def test_damage_is_told_with_the_name_of_the_bundle(model, bundle, tmp_path):
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


# Colour and processes


def test_colour_only_where_it_is_wanted(model, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1m" in run("inspect", model, color=True).stdout
    assert "\x1b" not in run("inspect", model).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("inspect", model, color=True).stdout
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in run("inspect", model, color=True).stdout


def test_as_a_process(model):
    done = program("export", model.name, cwd=model.parent)
    assert (done.returncode, done.stdout) == (0, b"model.npz" + os.linesep.encode())
    assert b"Next: gru2np verify model.h5 model.npz" in done.stderr


def test_letters_that_the_terminal_does_not_have(tmp_path):
    model = with_class(GRU, tmp_path / "m.h5", "dense_1", "\u0413\u0420\u0423")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = program("inspect", model, env=environment)
    assert done.returncode == 0
    assert b"\\u0413\\u0420\\u0423" in done.stdout


@pytest.mark.parametrize(("given", "name"), [("model", "model.npz"), (".", "work.npz")])
def test_the_bundle_of_a_directory_stands_beside_it(given, name, tmp_path, monkeypatch):
    work = tmp_path / "work"
    folder = work if given == "." else work / given
    shutil.copytree(FIXTURES / "keras-3.15" / "gru_directory" / "model", folder)
    monkeypatch.chdir(work)
    result = CliRunner().invoke(cli, ["export", given])
    assert result.exit_code == 0, result.output
    beside = tmp_path if given == "." else work
    assert (beside / name).exists()
