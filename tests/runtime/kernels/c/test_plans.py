"""Recurrent layers in the compiled kernel: their numbers, and the bounds of arrays."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np_runtime
from gru2np_runtime import build, layers
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c.plans import CompiledRecurrence, pack_recurrent
from gru2np_runtime.kernels.plain.recurrent import Recurrence
from kernel_cases import MOST_UNITS, STORAGES, Case, check_units

TANH, SIGMOID = 1, 2


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("seed", range(120))
def test_odd_sizes_and_options(library, seed, storage):
    found = c_library.open_library(library)
    for width in range(c_library.level(found) + 1):
        Case(seed, storage).check(found, width)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("units", range(1, MOST_UNITS + 1))
def test_every_number_of_units_and_no_number(library, units, storage):
    found = c_library.open_library(library)
    for width in range(c_library.level(found) + 1):
        check_units(found, width, units, storage)


def sanitizers(compiler):
    """Options, and the library that must be loaded first, if the compiler has them."""

    def said(option):
        command = [*compiler, option]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    clang = "clang" in said("--version")
    name = f"libclang_rt.asan-{platform.machine()}.so" if clang else "libasan.so"
    library = said(f"-print-file-name={name}")
    if not Path(library).is_absolute():
        return [], {}
    options = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    options += ["-shared-libasan"] if clang else []
    return options, {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


def test_nothing_is_read_or_written_outside(compiler, tmp_path):
    """Under sanitizers where there are any, with 16 lanes that run on AVX2."""
    found, variables = sanitizers(compiler)
    options = ["-O0", "-DGRU2NP_EMULATE", *found]
    environment = {**os.environ, **variables}
    path = str(tmp_path / build.NAME)
    source = str(build.FOLDER / "kernel.c")
    command = [*compiler, *build.OPTIONS, *build.POSITION_INDEPENDENT, *options]
    subprocess.run([*command, source, "-o", path], check=True, timeout=300)
    support = goldens.ROOT / "tests" / "support"
    places = [Path(gru2np_runtime.__file__).parent.parent, support]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, places))
    done = subprocess.run(
        [
            sys.executable,
            str(support / "kernel_cases.py"),
            path,
            "24",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("checked 24 ")


def functions(path, kind, x):
    found = c_library.open_library(path)
    for width in range(c_library.level(found) + 1):
        y = np.concatenate([x, np.zeros(-len(x) % 16, np.float32)])
        found.gru2np_apply(width, kind, 0.0, y.ctypes.data, y.size)
        yield y[: len(x)]


def every_kind_of_float():
    """Samples of all bit patterns, a dense range, and the special ones."""
    patterns = np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, -87.3, -103.9, -104]
    dense = np.linspace(-20, 20, 400_001, dtype=np.float32)
    return np.concatenate(
        [patterns.view(np.float32), dense, np.array(special, np.float32)]
    )


@pytest.mark.parametrize(("kind", "most"), [(TANH, 2.0), (SIGMOID, 3.0)])
def test_units_in_the_last_place(library, kind, most):
    x = every_kind_of_float()
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64)
        e = np.exp(-np.abs(exact))
        wanted = np.where(exact < 0, e, 1.0) / (1.0 + e)
        if kind == TANH:
            wanted = np.tanh(exact)
        numbers = ~np.isnan(x)
        ulp = np.spacing(np.abs(wanted[numbers]).astype(np.float32)).astype(np.float64)
        for y in functions(library, kind, x):
            assert np.isnan(y[~numbers]).all()
            assert (np.abs(y[numbers] - wanted[numbers]) / ulp).max() <= most
            if kind == TANH:
                same_sign = np.signbit(y) == np.signbit(x)
                assert same_sign[numbers].all()


@pytest.mark.parametrize(
    ("kind", "units"),
    [("GRU", 64), ("GRU", 256), ("LSTM", 64), ("SimpleRNN", 64)],
)
@pytest.mark.parametrize("rows", [1, 5])
def test_as_exact_as_the_plain_recurrence(library, kind, units, rows):
    """The largest error against float64 is at most twice the plain one's."""
    found = c_library.open_library(library)
    layer = getattr(layers, kind)(units=units, return_sequences=True)
    rng = np.random.default_rng(0)
    single = {
        name: rng.normal(scale=0.8 / np.sqrt(units), size=shape).astype(np.float32)
        for name, shape in layer.weight_shapes((None, None, 16)).items()
    }
    exact = {name: w.astype(np.float64) for name, w in single.items()}
    x = rng.normal(size=(rows, 500, 16)).astype(np.float32)

    def error(plan):
        return np.abs(plan.run([x], None)[0] - wanted).max()

    wanted = Recurrence(layer, exact).run([x.astype(np.float64)], None)[0]
    plain = error(Recurrence(layer, single))
    for width in range(c_library.level(found) + 1):
        packed = pack_recurrent(found, layer, single, width)
        own = error(CompiledRecurrence(layer, single, packed))
        assert own <= max(2 * plain, 5e-7)
