"""What a start costs: which modules and bytes it brings in, told without a clock."""

import os
import subprocess
import sys

import numpy as np
import pytest

import goldens
from gru2np_runtime import BundleError, load
from gru2np_runtime.kernels.c import library as _kernel

# Everything of the standard library that load and predict may add to NumPy's own.
# Among the own of a newer NumPy are ctypes, re, struct and typing; each of the others
# costs milliseconds.  importlib is frozen into Python, and costs none; json costs one.
STANDARD = {"__future__", "_json", "json", "json.decoder", "json.encoder"}
STANDARD |= {"json.scanner", "zlib"}
STANDARD |= {f"importlib{own}" for own in ("", "._bootstrap", "._bootstrap_external")}
# Families of layers a GRU with a Dense behind it is made of.
FAMILIES = {"recurrent", "cells", "dense", "axes"}
# What only some models or calls need.
LATER = {
    "bind",
    "bundle.manifest_proof",
    "bundle.manifest_writer",
    "files",
    "proof",
    "run.batches",
    "run.segments",
    "run.stateful",
    "run.stream",
    "run.timelines",
    "summary",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "get_weights_explained")
    path = tmp_path_factory.mktemp("start") / "gru.npz"
    path.write_bytes(golden.bundle())
    return path


def modules(code, **environment):
    """Modules in memory after some code, in a Python of its own."""
    script = f"import numpy\n{code}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("kernel", ["numpy", "c"])
def test_a_start_imports_nothing_heavy(bundle, kernel):
    if kernel == "c" and isinstance(_kernel.open_library(_kernel.LIBRARY), str):
        pytest.skip("no compiled kernel here")
    code = f"""
from gru2np_runtime import load
model = load({str(bundle)!r})
model.predict(numpy.zeros((1, *model.input_shapes[0][1:]), "float32"))
"""
    new = modules(code, GRU2NP_KERNEL=kernel) - modules(
        "import ctypes, typing, warnings"
    )
    ours = {name for name in new if name.startswith("gru2np_runtime")}
    assert new - ours <= STANDARD
    inside = {name.partition(".")[2] for name in ours}
    families = {name[7:] for name in inside if name.startswith("layers.")}
    assert families <= FAMILIES
    assert not inside & LATER
    # One kernel's modules, not the other's.
    others = {"numpy": "kernels.c.plans", "c": "kernels.numpy.recurrence"}[kernel]
    assert others not in inside


def test_a_family_nobody_uses_stays_away(bundle):
    """The names are there all the same."""
    code = "import gru2np_runtime; gru2np_runtime.layers.GRU; gru2np_runtime.State"
    new = modules(code)
    assert "gru2np_runtime.run.stream" in new
    assert "gru2np_runtime.layers.convolutional" not in new


def owner(array):
    """The object whose memory an array uses."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


@pytest.mark.parametrize("mapped", [False, True])
def test_weights_lie_where_the_bundle_is(bundle, mapped):
    """Not copied, not writable, and given as they are in the file."""
    model = load(bundle, mapped=mapped)
    expected = load(bundle.read_bytes())
    for path, array in model.weights.items():
        assert type(owner(array)).__name__ == ("mmap" if mapped else "bytes")
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, expected.weights[path])
    x = np.ones((2, 3, 1), np.float32)
    np.testing.assert_array_equal(model.predict(x), expected.predict(x))


def test_a_mapped_bundle_may_be_replaced(bundle, tmp_path):
    """As export replaces it: another file takes its name."""
    if sys.platform == "win32":
        pytest.skip("Windows lets nobody replace a file in use")
    path, other = tmp_path / "model.npz", tmp_path / "other"
    path.write_bytes(bundle.read_bytes())
    model = load(path, mapped=True)
    other.write_bytes(bytes(1000))
    other.replace(path)
    for array, expected in zip(model.weights.values(), load(bundle).weights.values()):
        np.testing.assert_array_equal(array, expected)


def test_a_bundle_that_was_read_may_be_overwritten(bundle, tmp_path):
    """As ``cp`` does it, in place: what is not mapped does not change."""
    path = tmp_path / "model.npz"
    path.write_bytes(bundle.read_bytes())
    model = load(path)
    with path.open("r+b") as file:
        file.truncate(100)
    x = np.ones((2, 3, 1), np.float32)
    np.testing.assert_array_equal(model.predict(x), load(bundle).predict(x))


def test_a_damaged_bundle_is_refused_when_mapped(bundle, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[len(data) // 3] ^= 1
    path = tmp_path / "damaged.npz"
    for damaged in (data, data[:500], b""):
        path.write_bytes(damaged)
        with pytest.raises(BundleError):
            load(path, mapped=True)


def test_what_cannot_be_mapped_is_read(bundle, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no mapping here")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert load(bundle, mapped=True).count_params() == load(bundle).count_params()
    with bundle.open("rb") as file:
        assert load(file, mapped=True).input_names == ["input_layer"]


def test_a_file_open_for_text_is_refused(bundle):
    with (
        bundle.open(encoding="latin-1") as file,
        pytest.raises(BundleError, match="open for bytes; reading it gave str"),
    ):
        load(file)
