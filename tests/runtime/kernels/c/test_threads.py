"""The compiled kernel on several threads."""

import threading
import weakref

import numpy as np
import pytest

from gru2np_runtime import InputError
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c import threads as c_threads
from kernel_cases import Case, chain_model, small_gru


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
    monkeypatch.setattr(c_threads, "WORTH", 1)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(203, 9, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    # A register tile of other rows may round otherwise, a shifted row may not.
    spread = chain_model().predict(x)
    monkeypatch.setenv("GRU2NP_THREADS", "1")
    np.testing.assert_allclose(spread, chain_model().predict(x), rtol=1e-5, atol=1e-6)
    case = Case(11)
    monkeypatch.setenv("GRU2NP_THREADS", threads)
    assert case.batch > 2 * c_threads.TILE
    case.check(c_library.open_library(library), 0)


def test_an_interrupt_waits_for_the_threads(monkeypatch):
    """What they write to may be used by others when the call has ended."""
    begun, done = threading.Event(), []

    def call(record):
        if record == b"second":
            begun.set()
            threading.Event().wait(0.05)
            done.append(record)
        else:
            assert begun.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        c_threads.run_all(call, [[b"first"], [b"second"]], [])
    assert done == [b"second"]


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
            c_threads.run_all(call, [[b"first"], [b"second"]], [array])
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
        c_threads.thread_count()
