"""What ship writes runs on a Python with NumPy alone."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np_runtime
import proofs
from command_line import run
from gru2np import ship as shipping
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime.bundle.container import MANIFEST, read_members
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.kernels.c import library
from numpy_alone import link_numpy

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")


LIBRARY = Path(library.LIBRARY)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def proved():
    return proofs.golden_proved(GRU)


@pytest.fixture
def bundle(tmp_path, proved):
    path = tmp_path / "gru.npz"
    path.write_bytes(proved)
    return path


@pytest.fixture(scope="module")
def numpy_alone(tmp_path_factory):
    """Runs Python in a folder, NumPy beside its standard library and nothing else."""
    site = tmp_path_factory.mktemp("site")
    link_numpy(site)

    def run_alone(folder, *arguments):
        return subprocess.run(
            [sys.executable, "-S", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(site)},
            cwd=folder,
            capture_output=True,
            text=True,
        )

    return run_alone


def saved(path, arrays, input_names):
    """Inputs as run.py takes them."""
    if len(input_names) == 1:
        np.save(path.with_suffix(".npy"), arrays[0])
        return path.with_suffix(".npy")
    np.savez(path.with_suffix(".npz"), **dict(zip(input_names, arrays, strict=True)))
    return path.with_suffix(".npz")


# One input; several of each; outputs by name; ids; a batch of its own; float64.
CASES = (
    "keras-2.2/gru",
    "keras-3.15/several_inputs_outputs",
    "keras-3.15/dict_outputs",
    "keras-3.15/embedding",
    "keras-3.15/stateful",
    "keras-3.15/float64_model",
)


@pytest.mark.parametrize("case", CASES)
def test_the_program_equals_keras(tmp_path, numpy_alone, case):
    golden = goldens.Golden(goldens.FIXTURES / case)
    (tmp_path / "m.npz").write_bytes(golden.bundle())
    folder = tmp_path / "device"
    assert run("ship", tmp_path / "m.npz", folder).exit_code == 0
    model = gru2np_runtime.load(folder / "model.npz")
    x = saved(tmp_path / "x", golden.arrays(0, "x"), model.input_names)
    several = len(model.output_names) > 1
    y = tmp_path / ("y.npz" if several else "y.npy")
    done = numpy_alone(folder, "run.py", x, y)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if several:
        with np.load(y) as found:
            outputs = [found[name] for name in model.output_names]
    else:
        outputs = [np.load(y)]
    for output, expected in zip(outputs, golden.arrays(0, "y"), strict=True):
        golden.close(output, expected)


def test_on_numpy_alone(bundle, tmp_path, numpy_alone):
    folder = tmp_path / "device"
    assert run("ship", bundle, folder).exit_code == 0
    for module in ("h5py", "click", "gru2np"):
        assert numpy_alone(folder, "-c", f"import {module}").returncode == 1
    where = "import gru2np_runtime as r; print(r.__file__)"
    used = numpy_alone(folder, "-c", where).stdout.strip()
    assert used == str(folder / "gru2np_runtime" / "__init__.py")
    # Nothing given, zeros go in; nothing but the outputs comes out.
    done = numpy_alone(tmp_path, folder / "run.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[[")
    x, y = GRU.arrays(0, "x")[0], GRU.arrays(0, "y")[0]
    np.save(tmp_path / "x.npy", x)
    command = ["-m", "gru2np_runtime", "predict", "model.npz", tmp_path / "x.npy"]
    done = numpy_alone(folder, *command, "-o", tmp_path / "y.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "y.npz") as found:
        GRU.close(found["gru_1"], y)


def test_check_passes_and_names_the_member_that_changed(bundle, tmp_path, numpy_alone):
    folder = tmp_path / "device"
    assert run("ship", bundle, folder).exit_code == 0
    check = ["-m", "gru2np_runtime", "check", "model.npz"]
    done = numpy_alone(folder, *check)
    assert done.returncode == 0, done.stderr
    # Shipped without --compiled.
    note = "Note: the compiled kernel does not run, NumPy does: there is no libgru2np"
    assert done.stderr.startswith(note)
    assert "model.npz: intact" in done.stdout
    assert "proof: 1 case" in done.stdout
    whole = (folder / "model.npz").read_bytes()
    members = read_members(whole)
    for name in ("gru_1/kernel.npy", "proof#0/outputs/gru_1.npy", MANIFEST):
        member = members[name]
        start = whole.index(bytes(member))
        damaged = bytearray(whole)
        damaged[start + len(member) // 2] ^= 1
        (folder / "model.npz").write_bytes(damaged)
        done = numpy_alone(folder, *check)
        assert done.returncode == EXIT_CODES["refused"]
        assert name.removesuffix(".npy") in done.stderr
        assert "Traceback" not in done.stderr


def test_what_is_written(bundle, tmp_path):
    folder = tmp_path / "device"
    result = run("ship", bundle, folder)
    assert result.exit_code == 0
    assert result.stdout == f"{folder}\n"
    assert f"Next: cd {folder} && python run.py" in result.stderr
    assert set(names(folder)) == shipping.OURS - {"__pycache__", shipping.OBJECTS}
    assert (folder / "model.npz").read_bytes() == bundle.read_bytes()
    licence = (goldens.ROOT / "LICENSE").read_text("utf-8")
    assert (folder / "LICENSE").read_text("utf-8") == licence
    assert len((folder / "run.py").read_text("utf-8").splitlines()) == 10
    source = Path(gru2np_runtime.__file__).parent
    for path in source.rglob("*"):
        copy = folder / "gru2np_runtime" / path.relative_to(source)
        wanted = path.suffix in (".py", ".c", ".h") or path.name == "py.typed"
        assert copy.exists() == (wanted or (path.is_dir() and copy.is_dir()))
        if wanted:
            assert copy.read_bytes() == path.read_bytes()
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text("utf-8"), feature_version=(3, 9))


def test_the_readme_s_commands_are_those_that_run(bundle, tmp_path):
    run("ship", bundle, tmp_path / "device")
    readme = (tmp_path / "device" / "README.txt").read_text("utf-8")
    for text in (
        "python run.py x.npy y.npy",
        "python -m gru2np_runtime predict model.npz x.npy -o y.npz",
        "python -m gru2np_runtime check model.npz",
        "python -m gru2np_runtime.build",
        gru2np_runtime.__version__,
    ):
        assert text in readme
    assert str(tmp_path) not in readme


def test_names_of_any_letters_do_no_harm(tmp_path, numpy_alone):
    case = "keras-3.15/several_inputs_outputs"
    manifest, members = proofs.opened(goldens.Golden(goldens.FIXTURES / case).bundle())
    name = manifest["inputs"]["names"][0]
    wild = json.dumps("{x} \" ' \n é #")
    text = json.dumps(manifest).replace(json.dumps(name), wild)
    (tmp_path / "m.npz").write_bytes(proofs.written(json.loads(text), members))
    result = run("ship", tmp_path / "m.npz", tmp_path / "device")
    assert result.exit_code == 0, result.output
    done = numpy_alone(tmp_path / "device", "run.py")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dict_of_one_output_is_saved_by_name(tmp_path, numpy_alone):
    manifest, members = proofs.opened(GRU.bundle())
    manifest["outputs"]["kind"] = "dict"
    (tmp_path / "m.npz").write_bytes(proofs.written(manifest, members))
    assert run("ship", tmp_path / "m.npz", tmp_path / "device").exit_code == 0
    np.save(tmp_path / "x.npy", GRU.arrays(0, "x")[0])
    files = (tmp_path / "x.npy", tmp_path / "y.npz")
    done = numpy_alone(tmp_path / "device", "run.py", *files)
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(files[1]) as outputs:
        GRU.close(outputs["gru_1"], GRU.arrays(0, "y")[0])


@pytest.mark.skipif(not LIBRARY.exists(), reason="the compiled kernel is not built")
def test_the_compiled_kernel_is_shipped_on_request(bundle, tmp_path, numpy_alone):
    folder = tmp_path / "device"
    assert run("ship", bundle, folder, "--compiled").exit_code == 0
    code = "import gru2np_runtime as r; print(r.kernel())"
    assert numpy_alone(folder, "-c", code).stdout == "c\n"
    assert numpy_alone(folder, "run.py").returncode == 0


def test_no_compiled_kernel_to_ship(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "LIBRARIES", ("none.so",))
    with pytest.raises(Misuse, match=r"python -m gru2np_runtime\.build"):
        shipping.ship(bundle, tmp_path / "device", compiled=True)
    assert names(tmp_path) == ["gru.npz"]
