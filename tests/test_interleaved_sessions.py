"""Any interleaving of sessions: each gives what it gives alone, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gru2np_runtime
from goldens import flat
from kernel_cases import STORAGES, chain_model
from streams import Streaming

X = np.random.default_rng(5).normal(size=(8, 64, 5)).astype(np.float32)


@pytest.fixture(params=["numpy", "c"])
def kernel(request, monkeypatch):
    """Each kernel in turn."""
    if request.param == "c" and gru2np_runtime.kernel() != "c":
        pytest.skip("the compiled kernel is not built")
    monkeypatch.setenv("GRU2NP_KERNEL", request.param)
    return request.param


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "step", "advance", "move"]),
        st.integers(0, 2**16),
        st.integers(1, 20),
    ),
    max_size=25,
)


class Interleaved:
    """Sessions under random actions, each with the blocks it was given."""

    def __init__(self, model, inputs) -> None:
        self.model, self.inputs = model, inputs
        self.over_time = model.stream.per_step_inputs
        self.streams = [model.streams(1), model.streams(3)]
        # By session: which streams, its id, its row of the inputs, its blocks.
        self.sessions: list[list] = []
        self.rows = 0

    def do(self, action, choice, steps):
        some = [s for i, s in enumerate(self.sessions) if choice >> i & 1]
        if action == "open" and self.rows < len(self.inputs[0]):
            streams = self.streams[choice % 2]
            self.sessions.append([streams, streams.open(), self.rows, [], 0])
            self.rows += 1
        elif action == "close" and self.sessions:
            session = self.sessions.pop(choice % len(self.sessions))
            session[0].close(session[1])
        elif action in ("step", "advance"):
            rng = np.random.default_rng(choice)
            for streams in self.streams:
                mine = [s for s in some if s[0] is streams]
                rng.shuffle(mine)
                if mine:
                    self.run(streams, mine, 1 if action == "step" else steps, action)
        elif action == "move":
            for session in some:
                saved = session[0].save(session[1])
                session[0].close(session[1])
                session[0] = self.streams[choice % 2]
                session[1] = session[0].restore(saved)

    def run(self, streams, sessions, steps, action):
        # One block has one length: the sessions are at times of their own.
        x = [
            np.stack([self.at(x, s, steps, i) for s in sessions])
            for i, x in enumerate(self.inputs)
        ]
        if action == "step":
            pairs = zip(x, self.over_time, strict=True)
            x = [a[:, 0] if over else a for a, over in pairs]
        call = getattr(streams, action)
        outputs = call([s[1] for s in sessions], x if len(x) > 1 else x[0])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for place, session in enumerate(sessions):
            given = [a[place, None] for a in x]
            session[3].append((action, given, [y[place] for y in outputs]))
            session[4] += steps

    def at(self, x, session, steps, i):
        row = x[session[2]]
        if not self.over_time[i]:
            return row
        return np.take(row, range(session[4], session[4] + steps), 0, mode="wrap")

    def check(self):
        """Each session gave what it gives alone, to the bit."""
        for _, _, _, blocks, _ in self.sessions:
            alone = self.model.streams(1)
            one = alone.open()
            for action, x, outputs in blocks:
                y = getattr(alone, action)([one], x if len(x) > 1 else x[0])
                for got, wanted in zip(outputs, flat(y), strict=True):
                    assert got.tobytes() == wanted[0].tobytes()


@given(actions=ACTIONS, sequences=st.booleans(), storage=st.sampled_from(STORAGES))
@settings(max_examples=60, deadline=None)
def check_chain(actions, sequences, storage):
    model = chain_model(return_sequences=sequences, storage=storage)
    run = Interleaved(model, [X])
    for action in actions:
        run.do(*action)
    run.check()


def test_any_interleaving_of_a_chain(kernel):
    check_chain()


@given(actions=ACTIONS, seed=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def check_layer(actions, seed):
    case = Streaming(seed, storage=STORAGES[seed % 3])
    run = Interleaved(case.model, case.drawn(8, 40))
    for action in actions:
        run.do(*action)
    run.check()


def test_any_interleaving_of_any_layer(kernel):
    check_layer()


@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    row=st.integers(0, 7),
    storage=st.sampled_from(STORAGES),
)
@settings(max_examples=30, deadline=None)
def check_cuts(cuts, row, storage):
    streams = chain_model(return_sequences=True, storage=storage).streams(2)
    cut, stepped = streams.open(), streams.open()
    times = np.arange(sum(cuts)) % X.shape[1]
    parts = np.split(X[row, None, times].swapaxes(0, 1), np.cumsum(cuts)[:-1], axis=1)
    blocks = np.concatenate([streams.advance([cut], x)[0] for x in parts])
    steps = [streams.step([stepped], X[row, None, t])[0] for t in times]
    assert blocks.tobytes() == np.stack(steps).tobytes()


@pytest.mark.parametrize("kernel", ["c"], indirect=True)
def test_any_cut_of_a_compiled_chain_gives_the_same_bits(kernel):
    check_cuts()
