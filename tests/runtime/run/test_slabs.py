"""Slabs: whoever else is in the batch, a session gives what it gives alone."""

from __future__ import annotations

import numpy as np
import pytest

from goldens import flat, loaded
from gru2np_runtime import InputError, Layer, layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.kernels.c import threads as c_threads
from gru2np_runtime.layer import PER_STEP
from gru2np_runtime.model import Model
from gru2np_runtime.run.slabs import SPARE, TILE
from kernel_cases import EXACT, IN_16_BITS, STORAGES, chain_model
from streams import Streamed, Streaming, cases

# What rounding grows to in many steps where an activation has no bound.
GROWS = {"keras-3.15/gru_activations": 1e-5}
# Companies of three sessions; each is there five times.
ROUNDS = ((0,), (2, 0, 1), (1, 0), (0, 2), (2, 1, 0), (1, 2), (1, 2))


@pytest.mark.parametrize("golden", cases("keras-3.15"), ids=lambda golden: golden.name)
def test_whatever_streams_has_sessions(golden, kernel):
    """Steps and blocks, to the bit as alone, and as near to ``step`` as float32 is."""
    case = Streamed.of(golden)
    if case is None:
        return
    check_steps(case, 2e-6)
    stream = case.model.stream
    if stream.end_dependent.isdisjoint(
        port.source for port in case.model.graph.outputs
    ):
        check_blocks(case, GROWS.get(golden.name, 2e-6))
    else:
        with pytest.raises(InputError, match="changes at earlier steps"):
            case.blocks_alone(0, ((0, 2),))


def check_steps(case, limit):
    wanted = [case.step_alone(session, 5) for session in range(3)]
    streams = case.model.streams(1)
    ids = [streams.open() for _ in range(3)]
    times = [0, 0, 0]
    for sessions in ROUNDS:
        x = case.at(sessions, [times[s] for s in sessions])
        outputs = flat(streams.step([ids[s] for s in sessions], x))
        for row, session in enumerate(sessions):
            for y, expected in zip(outputs, wanted[session][times[session]]):
                assert y[row].tobytes() == expected[0].tobytes()
            times[session] += 1
    state = case.model.initial_state(1)
    for t, expected in enumerate(wanted[0]):
        y, state = case.model.step(case.at([0], [t]), state)
        for got, one in zip(flat(y), expected):
            assert (got.shape, got.dtype) == (one.shape, one.dtype)
            np.testing.assert_allclose(got, one, rtol=limit, atol=limit)


def check_blocks(case, limit):
    cuts = ((0, 21), (21, 22), (22, 27))
    wanted, steps = case.blocks_alone(0, cuts), case.step_alone(0, 27)
    streams = case.model.streams(2)
    ids = [streams.open(), streams.open()]
    for cut, expected in zip(cuts, wanted):
        outputs = flat(streams.advance(ids, case.block([1, 0], *cut)))
        for i, (y, one) in enumerate(zip(outputs, expected)):
            assert y[1].tobytes() == one[0].tobytes()
            near = steps[cut[1] - 1][i]
            if case.model.stream.per_step_outputs[i]:
                near = np.stack([step[i] for step in steps[slice(*cut)]], axis=1)
            assert (one.shape, one.dtype) == (near.shape, near.dtype)
            np.testing.assert_allclose(one, near, rtol=limit, atol=limit)


@pytest.mark.parametrize("seed", range(30))
def test_every_recurrent_option(seed, kernel):
    """Forty sessions, two tiles of rows, in any order; masks and initial states too."""
    case = Streaming(seed, chain=seed % 5 > 2, storage=STORAGES[seed % 3])
    model, rng = case.model, case.rng
    streams, sessions = model.streams(3), 40
    ids = [streams.open() for _ in range(sessions)]
    first, last = case.drawn(sessions, 1), case.drawn(sessions, 21)
    some = rng.permutation(sessions)[:7]
    picked = [x[some] for x in case.at(first, 0)]
    early = flat(streams.step([ids[s] for s in some], picked))
    order = rng.permutation(sessions)
    late = flat(streams.advance([ids[s] for s in order], [x[order] for x in last]))
    for session in range(sessions):
        alone = model.streams(1)
        one = alone.open()
        if session in some:
            place = np.flatnonzero(some == session)[0]
            given = [x[place, None] for x in picked]
            for y, wanted in zip(early, flat(alone.step([one], given))):
                assert y[place].tobytes() == wanted[0].tobytes()
        place = np.flatnonzero(order == session)[0]
        given = [x[session, None] for x in last]
        for y, wanted in zip(late, flat(alone.advance([one], given))):
            assert y[place].tobytes() == wanted[0].tobytes()
        mine, other = streams.save(ids[session]), alone.save(one)
        assert list(mine) == list(other)
        for key, array in mine.items():
            assert array.tobytes() == other[key].tobytes()


@pytest.mark.parametrize("storage", STORAGES)
def test_small_weights_in_sessions(library, use, monkeypatch, storage):
    """Near to NumPy's, which widens weights at load, and to what ``step`` gives."""
    use(library)
    x = np.random.default_rng(1).normal(size=(5, 40, 5)).astype(np.float32)
    found = {}
    for kernel in ("numpy", "c"):
        monkeypatch.setenv("GRU2NP_KERNEL", kernel)
        model = chain_model(return_sequences=True, storage=storage)
        streams = model.streams(5)
        ids = [streams.open() for _ in range(5)]
        parts = [streams.advance(ids, x[:, :33])]
        parts += [streams.step(ids, x[:, t])[:, None] for t in range(33, 40)]
        found[kernel] = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(found["c"], found["numpy"], rtol=EXACT, atol=EXACT)
    state = model.initial_state(1)
    most = IN_16_BITS if storage == "int8" else EXACT
    for t in range(40):
        y, state = model.step(x[:1, t], state)
        np.testing.assert_allclose(y, found["c"][:1, t], rtol=EXACT, atol=most)


def test_broken_numbers_stay_in_their_session(kernel):
    model = chain_model(return_sequences=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 20, 5)).astype(np.float32)
    x[1, 3, 2], x[2, 0, 0], x[4, :, 1], x[5, 7, 3] = np.nan, np.inf, 3e38, 1e-42
    streams = model.streams(8)
    ids = [streams.open() for _ in range(8)]
    y = streams.advance(ids, x)
    assert not np.isfinite(y[1, 3:]).any()
    for row in range(8):
        alone = model.streams(1)
        wanted = alone.advance([alone.open()], x[row, None])
        assert y[row].tobytes() == wanted[0].tobytes()


@pytest.mark.parametrize("threads", ["1", "3", "16"])
def test_threads_change_no_bit(library, use, monkeypatch, threads):
    """Of sessions in the compiled kernel, which spreads rows over threads."""
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    monkeypatch.setattr(c_threads, "WORTH", 1)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    model = chain_model(return_sequences=True)
    x = np.random.default_rng(6).normal(size=(203, 9, 5)).astype(np.float32)
    streams = model.streams(203)
    ids = [streams.open() for _ in range(203)]
    y = np.concatenate(
        [streams.advance(ids, x[:, :4]), streams.advance(ids, x[:, 4:])], 1
    )
    for row in (0, 23, 24, 100, 202):
        alone = model.streams(1)
        wanted = alone.advance([alone.open()], x[row, None])
        assert y[row].tobytes() == wanted[0].tobytes()


class Placed(Layer):
    """A layer of the user's own that is wrong: it adds the place in the batch."""

    independent_rows = True

    def over_time(self, *shapes):
        return PER_STEP

    def forward(self, weights, x, mask=None):
        places = np.arange(len(x), dtype=x.dtype)
        return x + places.reshape(-1, *(1,) * (x.ndim - 1))


class Unstated(Layer):
    """A layer of the user's own that says nothing about rows."""

    def over_time(self, *shapes):
        return PER_STEP

    def forward(self, weights, x, mask=None):
        return x - x[::-1] / 2


def with_layer(layer):
    """A GRU after a layer, in a graph."""
    parts = {"own": layer, "gru": layers.GRU(units=3, return_sequences=True)}
    nodes = [Node("own", "own", [("x", 0)]), Node("gru", "gru", [("own", 0)])]
    ports = [Port("x", (None, None, 2), "float32")]
    outputs = [Port("y", (None, None, 3), "float32", ("gru", 0))]
    rng = np.random.default_rng(0)
    weights = {
        f"gru/{name}": rng.normal(size=shape).astype("float32")
        for name, shape in parts["gru"].weight_shapes((None, None, 2)).items()
    }
    return Model(Graph(ports, nodes, outputs, parts), weights)


@pytest.mark.parametrize("own", [Placed, Unstated])
def test_a_session_runs_alone_where_its_place_counts(own, kernel):
    model = with_layer(own())
    x = np.random.default_rng(1).normal(size=(40, 2)).astype("float32")
    streams = model.streams(40)
    ids = [streams.open() for _ in range(40)]
    y = streams.step(ids, x)
    for row in range(40):
        wanted, _ = model.step(x[row, None], model.initial_state(1))
        np.testing.assert_allclose(y[row], wanted[0], rtol=2e-6, atol=2e-6)


def test_an_error_changes_no_session(kernel):
    """An id that is not in the table, behind a first tile of good ones."""
    _, model = loaded("keras-3.15/embedding")
    streams, sessions = model.streams(2), TILE + 4
    ids = [streams.open() for _ in range(sessions)]
    x = np.ones(sessions, "int32")
    streams.step(ids, x)
    before = [streams.save(one) for one in ids]
    x[-1] = 10**6
    with pytest.raises(InputError, match="1000000"):
        streams.step(ids, x)
    for one, wanted in zip(ids, before):
        for key, array in streams.save(one).items():
            assert array.tobytes() == wanted[key].tobytes()
    x[-1] = 1
    for y in flat(streams.step(ids, x)):
        for row in y:
            assert row.tobytes() == y[0].tobytes()


def test_buffers_of_new_sessions_do_not_pile_up(monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    streams = chain_model().streams(1)
    for _ in range(3 * SPARE):
        one = streams.open()
        streams.step([one], np.ones((1, 5), np.float32))
        streams.close(one)
    assert len(streams._slabs._spare) == SPARE


def test_pictures_of_another_size_need_streams_of_their_own():
    conv = layers.ConvLSTM(
        filters=2,
        kernel_size=(2,),
        strides=(1,),
        dilation=(1,),
        padding="same",
        return_sequences=True,
    )
    rng = np.random.default_rng(0)
    shape = (None, None, None, 3)
    weights = {
        f"conv/{name}": rng.normal(size=size).astype("float32")
        for name, size in conv.weight_shapes(shape).items()
    }
    ports = [Port("x", shape, "float32")]
    outputs = [Port("y", conv.output_shapes(shape)[0], "float32", ("conv", 0))]
    nodes = [Node("conv", "conv", [("x", 0)])]
    model = Model(Graph(ports, nodes, outputs, {"conv": conv}), weights)
    streams = model.streams(2)
    first, second = streams.open(), streams.open()
    wide = rng.normal(size=(1, 5, 3)).astype("float32")
    streams.step([first], wide)
    with pytest.raises(InputError, match=r"expected \(5, 2\).*got \(4, 2\)"):
        streams.step([second], wide[:, :4])
    saved = streams.save(first)
    other = model.streams(1)
    y = other.step([other.restore(saved)], wide)
    assert y.tobytes() == streams.step([first], wide).tobytes()
