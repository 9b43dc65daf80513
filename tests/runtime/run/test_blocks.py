"""Blocks of time steps: any cut of a sequence gives what the whole one gives."""

import gc
import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import goldens
from goldens import loaded
from gru2np_runtime import InputError, Model, layers, load
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.kernels.c import chain as c_chain
from gru2np_runtime.proof.replay import KERNELS, ROUNDING
from kernel_cases import EXACT, IN_16_BITS, STORAGES
from streams import Streaming, cases, cut, joined, run_parts


def refused_to_stream(model, rows):
    try:
        return not model.initial_state(rows)
    except InputError:
        return True


CASES = cases("tf-2.10", "keras-3.15")


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_blocks_equal_the_sequence(golden):
    model = load(golden.bundle())
    inputs = golden.arrays(0, "x")
    rows = inputs[0].shape[0]
    if refused_to_stream(model, rows):
        with pytest.raises(InputError, match="cannot run step by step"):
            model.advance(inputs, None)
        return
    over_time = model.stream.per_step_inputs
    lengths = {x.shape[1] for x, over in zip(inputs, over_time) if over}
    state = model.initial_state(rows)
    given = dict(zip(model.input_names, inputs))
    ends = {port.source for port in model.graph.outputs} & model.stream.end_dependent
    if ends or len(lengths) > 1:
        reason = "changes at earlier steps" if ends else "time steps as input"
        with pytest.raises(InputError, match=reason):
            model.advance(given, state)
        return
    (time,) = lengths
    wanted = goldens.flat(model.predict(given))
    rng = np.random.default_rng(time)
    for _ in range(3):
        parts = cut(rng, time)
        model.reset_states()
        got = run_parts(model, inputs, parts, model.initial_state(rows))
        for y, expected in zip(got, wanted):
            assert y.shape == expected.shape
            assert y.dtype == expected.dtype
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("seed", range(60))
def test_any_cut_into_blocks_and_steps(kernel, seed):
    """Every option that streams, and a state that was stored and restored."""
    case = Streaming(seed)
    model, inputs = case.model, case.inputs
    wanted = goldens.flat(model.predict(inputs))
    state = model.initial_state(case.rows)
    parts = cut(case.rng, case.time)
    # Normalization by a small variance amplifies rounding.
    most = 1e-5 if "normalization" in " ".join(case.parts) else EXACT
    near(run_parts(model, inputs, parts, state), wanted, most)
    # The same state in two processes; a copy goes its own way.
    middle = max(1, len(parts) // 2)
    state = model.initial_state(case.rows)
    first = run_parts(model, inputs, parts[:middle], state)
    again = pickle.loads(pickle.dumps(state))
    restored = model.restore_state(state.arrays())
    run_parts(model, inputs, parts[:1], state.copy())
    for other in (state, again) if case.masked else (state, again, restored):
        if middle == len(parts):
            continue
        rest = run_parts(model, inputs, parts[middle:], other)
        near(joined(model, first, rest), wanted, most)


def near(outputs, wanted, most):
    for y, expected in zip(outputs, wanted):
        np.testing.assert_allclose(y, expected, rtol=EXACT, atol=most)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("rows", [1, 3])
def test_kernels_differ_as_stated_in_blocks_and_steps(
    library, use, monkeypatch, storage, rows
):
    """However sequences are cut; NumPy widens small weights when it loads them."""
    use(library)
    atol, rtol = ROUNDING["float32"]
    for seed in range(3000, 3020):
        monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
        full, case = (
            Streaming(seed, chain=True, rows=rows, storage=kind)
            for kind in ("float32", storage)
        )
        wanted = case.model.predict(case.inputs)
        cost = np.abs(wanted - full.model.predict(case.inputs)).max()
        monkeypatch.setenv("GRU2NP_KERNEL", "c")
        model = Streaming(seed, chain=True, rows=rows, storage=storage).model
        assert {own.storage for _, own, _ in model.stream.chain.layers} == {storage}
        parts = cut(case.rng, case.time)
        (y,) = run_parts(model, case.inputs, parts, model.initial_state(rows))
        allowed = KERNELS.get(storage, 0) * cost + atol + rtol * np.abs(wanted).max()
        assert np.abs(y - wanted).max() <= allowed


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rows", [1, 3, 97, 289])
def test_two_cuts_are_the_same_to_the_bit(library, use, monkeypatch, seed, rows):
    """Blocks of two steps or more, in the compiled kernel."""
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    storage = STORAGES[seed % 3]
    case = Streaming(1000 + seed, chain=True, rows=rows, storage=storage)
    model = case.model
    assert isinstance(model.stream.chain, c_chain.CompiledChain)
    whole = [slice(0, case.time)]
    found = [
        run_parts(model, case.inputs, parts, model.initial_state(rows))[0]
        for parts in (whole, *(cut(case.rng, case.time, 2) for _ in range(3)))
    ]
    for y in found[1:]:
        np.testing.assert_array_equal(y, found[0])
    # predict may cut a batch elsewhere, and leave no row alone.
    most = IN_16_BITS if storage == "int8" else EXACT
    wanted = model.predict(case.inputs)
    np.testing.assert_allclose(found[0], wanted, rtol=EXACT, atol=most)


def test_more_steps_than_the_buffers_hold(library, use, monkeypatch):
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    monkeypatch.setattr(c_chain, "STEPS", 7)
    for seed in range(8):
        case = Streaming(2000 + seed, chain=True)
        model, (x,) = case.model, case.inputs
        for time in (7, 8, 14, 15, case.time):
            one, many = model.initial_state(case.rows), model.initial_state(case.rows)
            y, _ = model.advance([x[:, :time]], one)
            parts = [slice(i, min(i + 4, time)) for i in range(0, time - 1, 4)]
            parts[-1] = slice(parts[-1].start, time)
            (wanted,) = run_parts(model, [x], parts, many)
            np.testing.assert_array_equal(y, wanted)


def test_steps_go_on_where_blocks_end(kernel):
    """Steps write to buffers; a block in between must leave its states there."""
    case = Streaming(7, chain=True)
    model, (x,) = case.model, case.inputs
    state, other = model.initial_state(case.rows), model.initial_state(case.rows)
    for t in range(0, 12, 4):
        model.step([x[:, t]], state)
        model.advance([x[:, t + 1 : t + 4]], state)
        stepper = state.stepper
        assert stepper is not None
        for s in range(t, t + 4):
            y, _ = model.step([x[:, s]], other)
        assert state.stepper is stepper
        for name, arrays in state.arrays().items():
            for got, wanted in zip(arrays, other.arrays()[name]):
                np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)
    assert y.shape[0] == case.rows


def sequence_model():
    """A GRU of one feature, so that its output fits where its input was."""
    gru = layers.GRU(units=1, return_sequences=True)
    rng = np.random.default_rng(4)
    shapes = gru.weight_shapes((None, None, 1))
    return gru.bind(**{k: rng.normal(size=s).astype("f4") for k, s in shapes.items()})


def layouts(shape):
    """Arrays of a shape that lie in memory in every way."""
    yield np.empty(shape, np.float32)
    yield np.empty(shape, np.float32, order="F")
    yield np.empty([2 * n for n in shape], np.float32)[
        tuple(slice(0, n) for n in shape)
    ]
    yield np.empty(shape, np.float32)[::-1]
    yield np.empty([3 * n for n in shape], np.float32)[
        tuple([slice(None, None, 3)] * len(shape))
    ]
    packed = np.empty(shape, [("before", "u1"), ("y", np.float32)])
    yield packed["y"]


def test_outputs_are_written_where_they_are_wanted(kernel):
    model = sequence_model()
    x = np.random.default_rng(0).normal(size=(3, 6, 1)).astype(np.float32)
    wanted, _ = model.advance(x, model.initial_state(3))
    for out in layouts((3, 6, 1)):
        state = model.initial_state(3)
        for _ in range(2):
            state = model.restore_state(model.initial_state(3).arrays())
            y, after = model.advance(x, state, out=out)
            assert y is out
            assert after is state
            np.testing.assert_array_equal(out, wanted)
    state = model.initial_state(3)
    for t, out in enumerate(layouts((3, 1))):
        assert model.step(x[:, t], state, out)[0] is out
        np.testing.assert_allclose(out, wanted[:, t], rtol=2e-6, atol=2e-6)
        # The other calls return arrays of their own.
        kept = out.copy()
        model.step(x[:, t], state.copy())
        np.testing.assert_array_equal(out, kept)


@pytest.mark.parametrize("steps", [6, 2000])
def test_an_output_may_take_the_place_of_its_input(kernel, steps):
    model = sequence_model()
    rng = np.random.default_rng(1)
    memory = rng.normal(size=(1, steps + 5, 1)).astype(np.float32)
    for shift in (0, 5, -5):
        held = memory.copy()
        x, out = held[:, :steps], held[:, shift : steps + shift]
        if shift < 0:
            x, out = held[:, 5:], held[:, :steps]
        wanted, _ = model.advance(x.copy(), model.initial_state())
        y, _ = model.advance(x, model.initial_state(), out)
        np.testing.assert_array_equal(y, wanted)


def test_several_outputs_are_written_too(kernel):
    golden, model = loaded("keras-3.15/arithmetic")
    inputs = dict(zip(model.input_names, golden.arrays(0, "x")))
    state = model.initial_state(len(inputs["x"]))
    wanted, _ = model.advance(inputs, state.copy())
    out = [np.empty_like(y) for y in wanted]
    got, _ = model.advance(inputs, state.copy(), out)
    assert got is out
    for y, expected in zip(out, wanted):
        np.testing.assert_array_equal(y, expected)
    with pytest.raises(InputError, match="out: expected a list of arrays"):
        model.advance(inputs, state, out[:1])


def test_what_does_not_fit_is_refused_and_changes_nothing(kernel):
    model = sequence_model()
    x = np.ones((2, 4, 1), np.float32)
    state = model.initial_state(2)
    model.step(x[:, 0], state)
    before = state.arrays()
    good = np.empty((2, 4, 1), np.float32)
    fixed = good.copy()
    fixed.flags.writeable = False
    wrong = [
        (good[:1], r"\(2, 4, 1\) of float32 .*got \(1, 4, 1\) of float32"),
        (good.astype("f8"), r"of float32 .*got \(2, 4, 1\) of float64"),
        (good.tolist(), "got a list"),
        (fixed, "read-only"),
    ]
    for out, message in wrong:
        with pytest.raises(InputError, match=rf"^out: expected an array .*{message}"):
            model.advance(x, state, out)
    for out in (good[:, 0], good[:, 0]):  # twice: the first one is remembered
        model.step(x[:, 0], state.copy(), out)
        with pytest.raises(InputError, match=r"^out: expected an array"):
            model.step(x[:, 0], state, good)
    cases = [
        (x[:, :0], "axis 1: expected at least one time step, got 0"),
        (x[:, 0], r"advance takes several time steps, x\[:, None\] is one"),
        (x[:1], "expected the state's batch size 2, got 1"),
        (x.astype(str), "expected numbers"),
    ]
    for value, message in cases:
        with pytest.raises(InputError, match=message):
            model.advance(value, state)
    with pytest.raises(InputError, match="expected a State, got None"):
        model.advance(x, None)
    for name, arrays in state.arrays().items():
        np.testing.assert_array_equal(arrays, before[name])


def test_inputs_of_different_lengths_are_refused():
    parts = {"add": layers.Add(), "gru": layers.GRU(units=2)}
    ports = [Port(name, (None, None, 2), "float32") for name in "ab"]
    nodes = [Node("add", "add", [("a", 0), ("b", 0)]), Node("gru", "gru", [("add", 0)])]
    graph = Graph(ports, nodes, [Port("y", (None, 2), "float32", ("gru", 0))], parts)
    shapes = parts["gru"].weight_shapes((None, None, 2))
    model = Model(graph, {f"gru/{k}": np.ones(s, "f4") for k, s in shapes.items()})
    x = np.ones((1, 4, 2), "float32")
    message = "input 'b', axis 1: expected 4 time steps as input 'a' has, got 3"
    with pytest.raises(InputError, match=message):
        model.advance({"a": x, "b": x[:, :3]}, model.initial_state())


def test_streams_of_one_model_run_side_by_side(kernel):
    """In threads, with blocks of several lengths; and a state of no row at all."""
    case = Streaming(5, chain=True, rows=1)
    model, (x,) = case.model, case.inputs
    lengths = (2, 3, 5, 7)
    wanted = {n: model.advance([x[:, :n]], model.initial_state())[0] for n in lengths}
    wrong = []

    def work(n):
        for _ in range(200):
            y, _ = model.advance([x[:, :n]], model.initial_state())
            if not np.array_equal(y, wanted[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in lengths * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    y, _ = model.advance([x[:0]], model.initial_state(0))
    assert len(y) == 0


@pytest.mark.parametrize("block", [1, 64])
def test_nothing_is_allocated(library, use, monkeypatch, block):
    """In the compiled kernel with ``out``: no array, and nothing that stays."""
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    case = Streaming(3, chain=True, rows=40)
    model = Model(case.model.graph, case.model.weights)
    state = model.initial_state(40)
    x = np.ones((40, block, 5), np.float32)
    if block == 1:
        x, call = x[:, 0], model.step
    else:
        call = model.advance
    out = np.empty_like(call(x, state)[0])
    call(x, state, out)
    assert min(x.nbytes, out.nbytes) > 500
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(100):
            call(x, state, out)
        held, blocks = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
        tracemalloc.reset_peak()
        for _ in range(100_000 if block == 1 else 1_000):
            call(x, state, out)
        after, peak = tracemalloc.get_traced_memory()
        grown = sys.getallocatedblocks() - blocks
    finally:
        tracemalloc.stop()
        gc.enable()
    # Python keeps some freed objects; one of every call would be 16,000 bytes or more.
    assert after - held < 4000
    assert grown < 50
    # What a call needs and frees is smaller than any of its arrays.
    assert peak - after < 500
