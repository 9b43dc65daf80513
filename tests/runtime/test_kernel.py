"""The compiled kernel: right, inside its bounds, and never in the way."""

import functools
import os
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np_runtime
from gru2np_runtime import InputError, _kernel, _threads, build, layers, load
from gru2np_runtime._compiled import CompiledRecurrence
from kernel_cases import Case

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
RECURRENT = [f'"{op}"'.encode() for op in ("gru", "lstm", "simple_rnn")]
GENERATIONS = sorted({g.folder.parent.name for g in goldens.all_goldens()})
TANH, SIGMOID = 1, 2

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The kernel as the wheel has it, compiled here."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("kernel")
    build.build(folder)
    return str(folder / build.NAME)


@pytest.fixture(scope="module")
def wide_library(tmp_path_factory):
    """The kernel with 16 lanes that run on AVX2, so that every machine tests them."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    return compile_with(tmp_path_factory.mktemp("wide"), "-O1", "-DGRU2NP_EMULATE")


@pytest.fixture(params=["numpy", "c"])
def kernel(request, monkeypatch):
    """Each kernel in turn, through the variable that users have."""
    if request.param == "c":
        use(request.getfixturevalue("library"), monkeypatch)
    monkeypatch.setenv("GRU2NP_KERNEL", request.param)
    return request.param


def compile_with(folder, *options):
    path = folder / build.NAME
    source = str(build.FOLDER / "kernel.c")
    command = [COMPILER, *build.OPTIONS, *build.POSITION_INDEPENDENT, *options]
    subprocess.run([*command, source, "-o", str(path)], check=True, timeout=300)
    return str(path)


def use(path, monkeypatch):
    monkeypatch.setattr(_kernel, "LIBRARY", str(path))
    monkeypatch.setattr(_kernel, "_loaded", {})
    monkeypatch.setattr(_kernel, "_warned", set())


def small_gru():
    rng = np.random.default_rng(3)
    gru = layers.GRU(units=5, return_sequences=True)
    return gru.bind(
        **{
            name: (rng.normal(size=shape) * 0.5).astype(np.float32)
            for name, shape in gru.weight_shapes((None, None, 3)).items()
        }
    )


@functools.cache
def recurrent_goldens(generation):
    """The goldens with a recurrent layer, and their bundles."""
    found = [
        (golden, golden.bundle())
        for golden in goldens.all_goldens()
        if golden.folder.parent.name == generation and not goldens.refused(golden)
    ]
    return [pair for pair in found if any(op in pair[1] for op in RECURRENT)]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_recurrent_golden_with_each_kernel(kernel, generation):
    for golden, bundle in recurrent_goldens(generation):
        model = load(bundle)
        for call in range(golden.calls):
            inputs = dict(zip(model.input_names, golden.arrays(call, "x")))
            outputs = goldens.flat(model.predict(inputs))
            for i, wanted in enumerate(golden.arrays(call, "y")):
                golden.close(outputs[i], wanted, f"call {call}, output {i}")


@pytest.mark.parametrize("seed", range(120))
def test_odd_sizes_and_options(library, seed):
    found = _kernel.open_library(library)
    for width in range(_kernel.level(found) + 1):
        Case(seed).check(found, width)


@pytest.mark.parametrize("seed", range(40))
def test_sixteen_lanes(wide_library, seed):
    found = _kernel.open_library(wide_library)
    if _kernel.level(found) < 2:
        pytest.skip("no AVX2")
    Case(seed).check(found, 2)


@needs_compiler
def test_nothing_is_read_or_written_outside(tmp_path):
    sanitizers = "-fsanitize=address,undefined"
    runtime = subprocess.run(
        [COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("no address sanitizer")
    path = compile_with(tmp_path, "-O0", "-g", sanitizers, "-fno-sanitize-recover=all")
    places = [Path(gru2np_runtime.__file__).parent.parent, goldens.ROOT / "tests"]
    done = subprocess.run(
        [sys.executable, str(goldens.ROOT / "tests/kernel_cases.py"), str(path), "24"],
        env={
            **os.environ,
            "LD_PRELOAD": runtime,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONPATH": os.pathsep.join(map(str, places)),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "checked 24\n"


def functions(path, kind, x):
    found = _kernel.open_library(path)
    for width in range(_kernel.level(found) + 1):
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
@pytest.mark.parametrize("which", ["library", "wide_library"])
def test_units_in_the_last_place(request, which, kind, most):
    x = every_kind_of_float()
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64)
        e = np.exp(-np.abs(exact))
        wanted = np.where(exact < 0, e, 1.0) / (1.0 + e)
        if kind == TANH:
            wanted = np.tanh(exact)
        numbers = ~np.isnan(x)
        ulp = np.spacing(np.abs(wanted[numbers]).astype(np.float32)).astype(np.float64)
        for y in functions(request.getfixturevalue(which), kind, x):
            assert np.isnan(y[~numbers]).all()
            assert (np.abs(y[numbers] - wanted[numbers]) / ulp).max() <= most
            if kind == TANH:
                same_sign = np.signbit(y) == np.signbit(x)
                assert same_sign[numbers].all()


def stack_model(*, every_step=False):
    """LSTM, Dense, GRU, SimpleRNN and Dense: everything that a stack can hold."""
    from gru2np_runtime._graph import Graph, Node, Port
    from gru2np_runtime._model import Model

    parts = {
        "lstm": layers.LSTM(units=7, return_sequences=True),
        "softmax": layers.Dense(units=9, activation="softmax"),
        "gru": layers.GRU(units=11, reset_after=False, return_sequences=True),
        "rnn": layers.SimpleRNN(units=50, return_sequences=every_step),
        "dense": layers.Dense(units=3, activation="sigmoid"),
    }
    rng = np.random.default_rng(0)
    weights, nodes, source, shape = {}, [], ("x", 0), (None, None, 5)
    for name, layer in parts.items():
        for key, size in layer.weight_shapes(shape).items():
            values = rng.normal(size=size) * 0.2
            weights[f"{name}/{key}"] = values.astype(np.float32)
        shape = layer.output_shapes(shape)[0]
        nodes.append(Node(name, name, [source]))
        source = (name, 0)
    inputs = [Port("x", (None, None, 5), "float32")]
    outputs = [Port("y", shape, "float32", source)]
    return Model(Graph(inputs, nodes, outputs, parts), weights)


@pytest.mark.parametrize("batch", [1, 3, 100, 200])
def test_a_stack_steps_in_one_call(library, monkeypatch, batch):
    use(library, monkeypatch)
    x = np.random.default_rng(1).normal(size=(batch, 12, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    plain = stack_model()
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = stack_model()
    state = model.initial_state(batch)
    results = []
    for t in range(12):
        y, state = model.step(x[:, t], state)
        if t == 4:
            # A copy goes its own way.
            other = state.copy()
            model.step(x[:, 0], other)
        if t == 7:
            state = model.restore_state(state.arrays())
        results.append(y)
    assert type(model._stream.chain).__name__ == "Stack"
    assert model._plan.stack is not None
    assert plain._plan.stack is None
    np.testing.assert_allclose(model.predict(x), results[-1], rtol=1e-5, atol=1e-6)
    for t, y in enumerate(results):
        wanted = plain.predict(x[:, : t + 1])
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("time", [1, 15, 16, 17, 50])
@pytest.mark.parametrize("batch", [1, 2, 97, 1000])
def test_a_stack_predicts_in_one_call(library, monkeypatch, batch, time, every_step):
    use(library, monkeypatch)
    x = np.random.default_rng(2).normal(size=(time, batch, 5)).astype(np.float32)
    x = x.swapaxes(0, 1)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    wanted = stack_model(every_step=every_step).predict(x)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = stack_model(every_step=every_step)
    assert model._plan.stack.every_step == every_step
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)
    nothing = np.zeros((0, time, 5), np.float32)
    assert model.predict(nothing).shape == (0, *wanted.shape[1:])
    assert model.step(nothing[:, 0], model.initial_state(0))[0].shape == (0, 3)


def test_which_kernel_runs(kernel):
    assert gru2np_runtime.kernel() == kernel
    plans = small_gru()._plan.plans.values()
    compiled = any(isinstance(plan, CompiledRecurrence) for plan in plans)
    assert compiled == (kernel == "c")


def test_a_wrong_name_is_refused(monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", "fortran")
    with pytest.raises(InputError, match="expected c or numpy, got 'fortran'"):
        gru2np_runtime.kernel()


def test_without_a_library_numpy_runs_in_silence(tmp_path, monkeypatch):
    use(tmp_path / build.NAME, monkeypatch)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    assert gru2np_runtime.kernel() == "numpy"


def test_asked_for_and_missing_warns_once(tmp_path, monkeypatch):
    use(tmp_path / build.NAME, monkeypatch)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    with pytest.warns(RuntimeWarning, match=r"python -m gru2np_runtime\.build"):
        model = small_gru()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_gru()
    assert model.predict(np.zeros((1, 2, 3), np.float32)).shape == (1, 2, 5)


@pytest.mark.parametrize("damage", ["cut", "changed", "text", "without_checksum"])
def test_a_damaged_library_warns_once(library, tmp_path, monkeypatch, damage):
    broken = tmp_path / build.NAME
    content = bytearray(Path(library).read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "changed":
        content[len(content) // 2] ^= 1
    else:
        content = bytearray(b"no library")
    broken.write_bytes(content)
    if damage != "without_checksum":
        shutil.copy(Path(library).with_suffix(".crc"), tmp_path)
    use(broken, monkeypatch)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    with pytest.warns(RuntimeWarning, match="the compiled kernel does not run"):
        assert gru2np_runtime.kernel() == "numpy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gru2np_runtime.kernel() == "numpy"


@needs_compiler
def test_another_interface_is_not_called(tmp_path, monkeypatch):
    source = tmp_path / "old.c"
    names = [name for name in _kernel._FUNCTIONS if name != "gru2np_abi"]
    source.write_text(
        "int gru2np_abi(void) { return 99; }\n"
        + "".join(f"void {name}(void) {{}}\n" for name in names)
    )
    path = tmp_path / build.NAME
    options = ["-shared", *build.POSITION_INDEPENDENT]
    subprocess.run([COMPILER, *options, str(source), "-o", str(path)], check=True)
    use(path, monkeypatch)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    with pytest.warns(RuntimeWarning, match="expected interface 1, got 99"):
        assert gru2np_runtime.kernel() == "numpy"


def test_a_compiler_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", sys.executable)
    with pytest.raises(build.BuildError, match=r"kernel\.c"):
        build.build(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    with pytest.raises(build.BuildError, match="does not run"):
        build.build(tmp_path)


def test_one_model_serves_many_threads(library, monkeypatch):
    use(library, monkeypatch)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = small_gru()
    rng = np.random.default_rng(5)
    inputs = [rng.normal(size=(7, 30, 3)).astype(np.float32) for _ in range(8)]
    wanted = [model.predict(x) for x in inputs]
    results = [[] for _ in inputs]

    def work(i):
        for _ in range(50):
            results[i].append(model.predict(inputs[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, expected in zip(results, wanted):
        assert len(got) == 50
        assert all((y == expected).all() for y in got)


@pytest.mark.parametrize("threads", ["1", "3", "16"])
def test_batches_split_over_threads_give_the_same(library, monkeypatch, threads):
    use(library, monkeypatch)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    monkeypatch.setattr(_threads, "WORTH", 1)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(203, 9, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    # A register tile of other rows may round otherwise, a shifted row may not.
    spread = stack_model().predict(x)
    monkeypatch.setenv("GRU2NP_THREADS", "1")
    np.testing.assert_allclose(spread, stack_model().predict(x), rtol=1e-5, atol=1e-6)
    case = Case(11)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    assert case.batch > 2 * _threads.TILE
    case.check(_kernel.open_library(library), 0)


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("GRU2NP_THREADS", wrong)
    with pytest.raises(InputError, match="GRU2NP_THREADS: expected a number"):
        _threads.thread_count()


def test_the_interface_number_is_that_of_the_source():
    source = (build.FOLDER / "kernel.c").read_text()
    assert f"#define ABI {_kernel.ABI}\n" in source
