"""The compiled kernel: right, inside its bounds, and safe among threads."""

import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np_runtime
from gru2np_runtime import InputError, build, layers
from gru2np_runtime.kernels.c import library as _kernel
from gru2np_runtime.kernels.c import threads as _threads
from gru2np_runtime.kernels.c.chain import CompiledChain
from gru2np_runtime.kernels.c.plans import CompiledRecurrence, pack_recurrent
from gru2np_runtime.kernels.plain.recurrent import Recurrence
from kernel_cases import MOST_UNITS, Case, check_units, small_gru

TANH, SIGMOID = 1, 2


@pytest.mark.parametrize("seed", range(120))
def test_odd_sizes_and_options(library, seed):
    found = _kernel.open_library(library)
    for width in range(_kernel.level(found) + 1):
        Case(seed).check(found, width)


@pytest.mark.parametrize("units", range(1, MOST_UNITS + 1))
def test_every_number_of_units_and_no_number(library, units):
    found = _kernel.open_library(library)
    for width in range(_kernel.level(found) + 1):
        check_units(found, width, units)


def test_nothing_is_read_or_written_outside(compiler, tmp_path):
    """Under sanitizers where there are any, with 16 lanes that run on AVX2."""
    options = ["-O0", "-DGRU2NP_EMULATE"]
    environment = dict(os.environ)
    sanitizer = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if Path(sanitizer).is_absolute():
        options += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        environment |= {"LD_PRELOAD": sanitizer, "ASAN_OPTIONS": "detect_leaks=0"}
    path = str(tmp_path / build.NAME)
    source = str(build.FOLDER / "kernel.c")
    command = [*compiler, *build.OPTIONS, *build.POSITION_INDEPENDENT, *options]
    subprocess.run([*command, source, "-o", path], check=True, timeout=300)
    places = [Path(gru2np_runtime.__file__).parent.parent, goldens.ROOT / "tests"]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, places))
    done = subprocess.run(
        [sys.executable, str(goldens.ROOT / "tests/kernel_cases.py"), path, "24"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("checked 24 ")


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
    found = _kernel.open_library(library)
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
    for width in range(_kernel.level(found) + 1):
        packed = pack_recurrent(found, layer, single, width)
        own = error(CompiledRecurrence(layer, single, packed))
        assert own <= max(2 * plain, 5e-7)


def chain_model(*, return_sequences=False):
    """LSTM, Dense, GRU, SimpleRNN and Dense: every layer that a chain can hold."""
    from gru2np_runtime.graph import Graph, Node, Port
    from gru2np_runtime.model import Model

    parts = {
        "lstm": layers.LSTM(units=7, return_sequences=True),
        "softmax": layers.Dense(units=9, activation="softmax"),
        "gru": layers.GRU(units=11, reset_after=False, return_sequences=True),
        "rnn": layers.SimpleRNN(units=50, return_sequences=return_sequences),
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
def test_a_chain_steps_in_one_call(library, use, monkeypatch, batch):
    use(library)
    x = np.random.default_rng(1).normal(size=(batch, 12, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    plain = chain_model()
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = chain_model()
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
    assert isinstance(model.stream.chain, CompiledChain)
    assert model.graph_plan.chain is model.stream.chain
    assert plain.graph_plan.chain is None
    np.testing.assert_allclose(model.predict(x), results[-1], rtol=1e-5, atol=1e-6)
    for t, y in enumerate(results):
        wanted = plain.predict(x[:, : t + 1])
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("time", [1, 15, 16, 17, 50])
@pytest.mark.parametrize("batch", [1, 2, 97, 1000])
def test_a_chain_predicts_in_one_call(
    library, use, monkeypatch, batch, time, return_sequences
):
    use(library)
    x = np.random.default_rng(2).normal(size=(time, batch, 5)).astype(np.float32)
    x = x.swapaxes(0, 1)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    wanted = chain_model(return_sequences=return_sequences).predict(x)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = chain_model(return_sequences=return_sequences)
    assert model.graph_plan.chain.return_sequences == return_sequences
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)
    nothing = np.zeros((0, time, 5), np.float32)
    assert model.predict(nothing).shape == (0, *wanted.shape[1:])
    assert model.step(nothing[:, 0], model.initial_state(0))[0].shape == (0, 3)


def test_one_model_serves_many_threads(library, use, monkeypatch):
    use(library)
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
def test_batches_split_over_threads_give_the_same(library, use, monkeypatch, threads):
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    monkeypatch.setattr(_threads, "WORTH", 1)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(203, 9, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    # A register tile of other rows may round otherwise, a shifted row may not.
    spread = chain_model().predict(x)
    monkeypatch.setenv("GRU2NP_THREADS", "1")
    np.testing.assert_allclose(spread, chain_model().predict(x), rtol=1e-5, atol=1e-6)
    case = Case(11)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    assert case.batch > 2 * _threads.TILE
    case.check(_kernel.open_library(library), 0)


def test_an_interrupt_leaves_the_threads_their_arrays(monkeypatch):
    """What a thread still writes to is not freed while it does."""
    go, done = threading.Event(), threading.Event()

    def call(record):
        if record == b"second":
            go.wait()
            done.set()

    def interrupted(self):
        raise KeyboardInterrupt

    join = threading.Thread.join
    array = np.zeros(3)
    kept = weakref.ref(array)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _threads.run_all(call, [[b"first"], [b"second"]], [array])
    del array
    assert kept() is not None
    thread = threading.enumerate()[-1]
    go.set()
    assert done.wait(10)
    join(thread)
    assert kept() is None


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("GRU2NP_THREADS", wrong)
    with pytest.raises(InputError, match="GRU2NP_THREADS: expected a number"):
        _threads.thread_count()
