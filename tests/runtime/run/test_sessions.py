"""Sessions: ids, who may use them when, and their states in files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from gru2np_runtime import InputError
from gru2np_runtime.kernels.c import library as c_library
from kernel_cases import chain_model

RNG = np.random.default_rng(5)
X = RNG.normal(size=(8, 64, 5)).astype(np.float32)


def test_ids_are_never_used_again(kernel):
    streams = chain_model().streams(2)
    seen = set()
    for _ in range(6):
        ids = [streams.open(), streams.open()]
        assert len(streams) == 2
        seen.update(ids)
        streams.step(ids, X[:2, 0])
        for one in ids:
            streams.close(one)
            for use in (
                lambda one=one: streams.step([one], X[:1, 0]),
                lambda one=one: streams.close(one),
                lambda one=one: streams.save(one),
            ):
                with pytest.raises(InputError, match=f"session {one} is closed: open"):
                    use()
    assert (len(streams), streams.capacity, len(seen)) == (0, 2, 12)
    # A new session in a used row starts from zero.
    one = streams.open()
    wanted, _ = chain_model().step(X[:1, 0], chain_model().initial_state(1))
    np.testing.assert_allclose(streams.step([one], X[:1, 0]), wanted, rtol=2e-6)


@pytest.mark.parametrize("unknown", [7, -1, 2**32, 2**40 + 1, -(2**32)])
def test_unknown_ids(unknown):
    streams = chain_model().streams(4)
    streams.open()
    with pytest.raises(InputError, match=f"session {unknown} is unknown"):
        streams.step([unknown], X[:1, 0])
    with pytest.raises(InputError, match="is unknown"):
        streams.close(unknown)


@pytest.mark.parametrize(
    "ids", [3, "0", [0.0], [[0]], None, [True], [2**70], {0}, ["a"], [0, [1]]]
)
def test_what_no_ids_are(ids):
    streams = chain_model().streams(4)
    streams.open()
    with pytest.raises(InputError, match=r"ids: expected a list of integers from open"):
        streams.step(ids, X[:1, 0])


def test_refused_calls_change_nothing(kernel):
    streams = chain_model().streams(1)
    first, second = streams.open(), streams.open()
    streams.step([first, second], X[:2, 0])
    before = streams.save(first)
    refusals = {
        f"session {first} is there twice": ([first, second, first], X[:3, 1]),
        "expected one row for each of the 2 ids, got 3": ([first, second], X[:3, 1]),
        "expected 5 in": ([first], X[:1, 1, :4]),
        "is unknown": ([first, 99], X[:2, 1]),
    }
    for message, (ids, x) in refusals.items():
        with pytest.raises(InputError, match=message):
            streams.step(ids, x)
    with pytest.raises(InputError, match="at least one time step, got 0"):
        streams.advance([first], X[:1, :0])
    for key, array in streams.save(first).items():
        assert array.tobytes() == before[key].tobytes()
    streams.step([second, first], X[:2, 1])


def test_no_sessions_at_all(kernel):
    streams = chain_model(return_sequences=True).streams(1)
    assert streams.step([], X[:0, 0]).shape == (0, 3)
    assert streams.advance([], X[:0]).shape == (0, 64, 3)


@pytest.mark.parametrize("capacity", [0, -1, 2.5, None, True])
def test_the_capacity_is_a_number(capacity):
    with pytest.raises(InputError, match="capacity: expected an integer from 1"):
        chain_model().streams(capacity)


def test_growth_keeps_every_state(kernel):
    model = chain_model()
    streams, ids = model.streams(1), []
    for t in range(8):
        ids.append(streams.open())
        y = streams.step(ids, X[: t + 1, t])
    assert streams.capacity == 8
    assert repr(streams) == "<gru2np streams: 8 open, capacity 8>"
    for row in range(8):
        alone = model.streams(1)
        one = alone.open()
        for t in range(row, 8):
            wanted = alone.step([one], X[row, None, t])
        assert y[row].tobytes() == wanted[0].tobytes()


SECOND = """
import sys
import numpy as np
from gru2np_runtime.kernels.c import library
from kernel_cases import chain_model

saved, x, out, library.LIBRARY = sys.argv[1:]
streams = chain_model().streams(1)
with np.load(saved) as arrays:
    one = streams.restore(arrays)
np.save(out, streams.advance([one], np.load(x)))
"""


def test_another_process_goes_on(kernel, tmp_path):
    streams = chain_model().streams(4)
    ids = [streams.open() for _ in range(4)]
    streams.advance(ids, X[:4, :20])
    saved, x, out = (tmp_path / name for name in ("s.npz", "x.npy", "y.npy"))
    np.savez(saved, **streams.save(ids[2]))
    np.save(x, X[2, None, 20:])
    arguments = map(str, (saved, x, out, c_library.LIBRARY))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SECOND, *arguments]
    subprocess.run(command, check=True, env=environment)
    wanted = streams.advance([ids[2]], X[2, None, 20:])
    assert np.load(out).tobytes() == wanted.tobytes()


def test_what_cannot_be_restored(kernel):
    streams = chain_model().streams(1)
    one = streams.open()
    assert streams.save(one) == {}
    fresh = streams.restore({})
    streams.step([one, fresh], np.stack([X[0, 0]] * 2))
    saved = streams.save(one)
    assert list(saved) == ["lstm/0", "lstm/1", "gru/0", "rnn/0"]
    assert {a.shape for a in saved.values()} == {(7,), (11,), (50,)}
    for arrays, message in (
        ({**saved, "gru/1": saved["gru/0"]}, "'gru/1' is unknown"),
        ({k: a for k, a in saved.items() if k != "lstm/1"}, "'lstm/1' is missing"),
        ({**saved, "gru/0": saved["lstm/0"]}, r"expected an array of shape \(11,\)"),
        ({**saved, "gru/0": ["a"] * 11}, "expected numbers"),
        ([1], "expected arrays by name"),
        (3, "expected arrays by name"),
    ):
        with pytest.raises(InputError, match=message):
            streams.restore(arrays)
    assert len(streams) == 2


def test_a_session_in_two_calls_at_once_is_an_error(kernel, monkeypatch):
    """Meanwhile other sessions run, and more are opened as soon as a call ends."""
    streams = chain_model().streams(2)
    ids = [streams.open(), streams.open()]
    inside, go_on = threading.Event(), threading.Event()
    advance = streams._slabs.advance

    def slow(inputs, rows, fresh, *, step):
        if rows[0] == ids[0]:
            inside.set()
            assert go_on.wait(30)
        return advance(inputs, rows, fresh, step=step)

    monkeypatch.setattr(streams._slabs, "advance", slow)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(streams.step([ids[0]], X[:1, 0]))
    )
    thread.start()
    assert inside.wait(30)
    for use in (
        lambda: streams.step(ids, X[:2, 0]),
        lambda: streams.advance([ids[0]], X[:1]),
        lambda: streams.close(ids[0]),
        lambda: streams.save(ids[0]),
    ):
        with pytest.raises(InputError, match=f"session {ids[0]} is in use by another"):
            use()
    second = streams.step([ids[1]], X[1, None, 0])
    opened = []
    opening = threading.Thread(target=lambda: opened.append(streams.open()))
    opening.start()
    opening.join(0.1)
    # The slabs are not replaced while a call writes into them.
    assert opening.is_alive()
    go_on.set()
    thread.join(30)
    opening.join(30)
    assert streams.capacity == 4
    both = chain_model().streams(2)
    wanted = both.step([both.open(), both.open()], X[:2, 0])
    assert results[0][0].tobytes() == wanted[0].tobytes()
    assert second[0].tobytes() == wanted[1].tobytes()
    streams.step([*ids, *opened], X[:3, 1])


def test_threads_on_sessions_of_their_own(kernel):
    """Each thread opens, runs and closes its own, while the slabs grow."""
    model = chain_model()
    streams, faults = model.streams(1), []
    alone = model.streams(1)
    one = alone.open()
    wanted = [alone.step([one], X[:1, t])[0].tobytes() for t in range(20)]

    def work():
        try:
            for _ in range(6):
                ids = [streams.open() for _ in range(3)]
                for t in range(20):
                    y = streams.step(ids, np.stack([X[0, t]] * 3))
                    assert {row.tobytes() for row in y} == {wanted[t]}
                for session in ids:
                    streams.close(session)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(streams) == 0
