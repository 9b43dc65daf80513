"""``python -m gru2np_runtime``: its commands, their output and their exit codes."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

import goldens
import gru2np_runtime.__main__ as runtime_main
from gru2np_runtime import Gru2npError, __version__
from gru2np_runtime.__main__ import EXIT_CODES
from gru2np_runtime.files import commands
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.kernels.c import library as c_library

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "get_weights_explained")


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(GRU.bundle())
    return path


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", GRU.arrays(0, "x")[0])
    return tmp_path / "x.npy"


def main(*arguments):
    return runtime_main.main([str(a) for a in arguments])


def test_runtime_predict(bundle, data, tmp_path, capsys):
    out = tmp_path / "y.npy"
    assert main("predict", bundle, data, "-o", out, "--batch-size", 2) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n"
    assert captured.err == f"wrote {out}: dense_1 (5, 1) float32\n"
    np.testing.assert_allclose(np.load(out), GRU.arrays(0, "y")[0], atol=2e-5)
    assert main("predict", bundle, data, "-o", out) == EXIT_CODES["usage"]
    assert "--force" in capsys.readouterr().err
    assert main("predict", bundle, data, "-o", out, "--force") == 0
    missing = tmp_path / "missing.npy"
    assert main("predict", bundle, missing, "-o", out, "-f") == EXIT_CODES["usage"]


def test_runtime_usage(capsys):
    assert main() == EXIT_CODES["usage"]
    assert capsys.readouterr().out == ""
    for arguments in (
        ["nonsense"],
        ["predict", "a", "b", "-o", "c", "--batch-size", "0"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(*arguments)
        assert stopped.value.code == EXIT_CODES["usage"]


def test_runtime_internal_and_interrupted(bundle, monkeypatch, capsys):
    def fail(error):
        def raising(*_arguments):
            raise error

        monkeypatch.setattr(commands, "open_bundle", raising)
        return main("check", bundle)

    assert fail(KeyboardInterrupt()) == EXIT_CODES["interrupted"]
    assert fail(LookupError("a bug")) == EXIT_CODES["internal"]
    assert "LookupError: a bug" in capsys.readouterr().err


def test_runtime_check(bundle, capsys):
    assert main("check", bundle) == 0
    assert "5 weights, 33 numbers, every SHA-256" in capsys.readouterr().out
    assert main("check", bundle.with_name("missing.npz")) == EXIT_CODES["usage"]
    # A hash that is not the weight's: every other rule of the bundle holds.
    from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members

    members = read_members(bundle.read_bytes())
    manifest = json.loads(bytes(members.pop(MANIFEST)))
    manifest["graph"]["layers"]["gru_1"]["weights"]["kernel"]["sha256"] = "0" * 64
    with bundle.open("wb") as file:
        writer = Writer(file)
        for name, data in members.items():
            writer.add(name, bytes(data))
        writer.add(MANIFEST, json.dumps(manifest).encode())
        writer.close()
    capsys.readouterr()
    assert main("check", bundle) == EXIT_CODES["refused"]
    assert "- gru_1/kernel" in capsys.readouterr().err


def test_runtime_as_a_process(bundle, data):
    done = subprocess.run(
        [sys.executable, "-m", "gru2np_runtime", "predict", bundle, "-", "-o", "-"],
        input=data.read_bytes(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert np.load(io.BytesIO(done.stdout)).shape == (5, 1)


def test_a_misuse_is_no_error_of_the_data():
    assert not issubclass(Misuse, Gru2npError)


def test_the_version_and_the_kernel_are_said(capsys):
    with pytest.raises(SystemExit) as stopped:
        main("--version")
    assert not stopped.value.code
    assert capsys.readouterr().out == f"{__version__}\n{c_library.status()}\n"


def test_check_says_that_there_is_no_kernel(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    monkeypatch.setattr(c_library, "LIBRARY", str(tmp_path / "libgru2np.so"))
    assert main("check", bundle) == 0
    note = "Note: the compiled kernel does not run, NumPy does: there is no libgru2np"
    assert capsys.readouterr().err.startswith(note)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    assert main("check", bundle) == 0
    assert capsys.readouterr().err == ""
