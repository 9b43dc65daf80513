"""What a start costs: which modules it imports."""

import os
import subprocess
import sys

import pytest

import goldens
from gru2np_runtime.kernels.c import library as c_library

# Everything of the standard library that load and predict may add to NumPy's own.
# Among the own of a newer NumPy are ctypes, re, struct and typing; each of the others
# costs milliseconds.  importlib is frozen into Python, and costs none; json costs one.
STANDARD = {
    *("__future__", "zlib"),
    *("_json", "json", "json.decoder", "json.encoder", "json.scanner"),
    *("importlib", "importlib._bootstrap", "importlib._bootstrap_external"),
}
# Families of layers a GRU with a Dense behind it is made of.
FAMILIES = {"recurrent", "cells", "dense", "quantized", "axes"}
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
    if kernel == "c" and isinstance(c_library.open_library(c_library.LIBRARY), str):
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


def test_a_family_that_is_not_used_is_not_imported(bundle):
    """The names are there all the same."""
    code = "import gru2np_runtime; gru2np_runtime.layers.GRU; gru2np_runtime.State"
    new = modules(code)
    assert "gru2np_runtime.run.stream" in new
    assert "gru2np_runtime.layers.convolutional" not in new
