"""One model for many threads, processes and pickles, on both kernels: equal bytes."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import goldens
from gru2np_runtime import load
from gru2np_runtime.run import batches

THREADS = 8
# No layer of it runs in the compiled kernel.
CELLS = "keras-3.15/stacked_cells"
# Stacks of layers, initial states, both directions with masks, cells, many kinds of
# layers one after the other, attention.
CASES = (
    "keras-3.15/gru",
    "keras-3.15/lstm_options",
    "keras-3.15/mask_bidirectional",
    CELLS,
    "keras-3.15/mixed_stack",
    "keras-3.15/heads_masked",
)


def bundle_of(case):
    return goldens.Golden(goldens.FIXTURES / case).bundle()


def different(model, count, batch=4):
    """Inputs of a model: one list of arrays for each thread."""
    rng = np.random.default_rng(0)
    return [
        [
            rng.integers(0, 3, (batch, *(n or 7 for n in shape[1:]))).astype("float32")
            for shape in model.input_shapes
        ]
        for _ in range(count)
    ]


def data(model, arrays):
    return dict(zip(model.input_names, arrays))


def as_bytes(outputs):
    return [y.tobytes() for y in goldens.flat(outputs)]


def at_once(work, count=THREADS):
    """The results of work(0), work(1), ... in threads that start together."""
    results = [None] * count
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait()
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("case", CASES)
def test_threads_share_a_model(kernel, case):
    """The very first call included, which makes what is made on demand."""
    bundle = bundle_of(case)
    alone, shared = load(bundle), load(bundle)
    inputs = different(alone, THREADS)
    wanted = [as_bytes(alone.predict(data(alone, x))) for x in inputs]

    def work(i):
        return [as_bytes(shared.predict(data(shared, inputs[i]))) for _ in range(10)]

    for got, expected in zip(at_once(work), wanted):
        assert got == [expected] * 10


def test_threads_share_a_model_in_parts(kernel, monkeypatch):
    """Rows and time cut into pieces, as large inputs are."""
    monkeypatch.setattr(batches, "BYTES", 1)
    monkeypatch.setattr("gru2np_runtime.model.SMALL", 1)
    bundle = bundle_of("keras-3.15/mask_bidirectional")
    alone, shared = load(bundle), load(bundle)
    inputs = different(alone, THREADS, batch=300)
    wanted = [as_bytes(alone.predict(data(alone, x))) for x in inputs]

    def work(i):
        return as_bytes(shared.predict(data(shared, inputs[i])))

    assert at_once(work) == wanted


def test_each_thread_has_a_state(kernel):
    bundle = bundle_of("keras-3.15/simple_rnn_by_hand")
    alone, shared = load(bundle), load(bundle)
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(THREADS, 50, 1, 3)).astype("float32")

    def steps(model, x):
        state = model.initial_state()
        outputs = []
        for x_t in x:
            y, state = model.step(x_t, state)
            outputs.append(y.tobytes())
        return outputs

    wanted = [steps(alone, x) for x in inputs]
    assert at_once(lambda i: steps(shared, inputs[i])) == wanted


FORK = """
import os, sys, threading
import numpy as np
from gru2np_runtime import load

model = load(sys.argv[1])
x = np.ones((2000, *model.input_shapes[0][1:]), "float32")
before = model.predict(x).tobytes()
threading.Thread(target=model.predict, args=(x,)).start()
child = os.fork()
if not child:
    os._exit(model.predict(x).tobytes() != before)
assert model.predict(x).tobytes() == before
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_goes_on_with_the_model(kernel, tmp_path):
    """As servers do: loaded once, then forked, a prediction on its way."""
    path = tmp_path / "model.npz"
    path.write_bytes(bundle_of("keras-3.15/get_weights_explained"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("case", CASES)
def test_a_pickled_model_is_the_model(kernel, case, monkeypatch):
    """Plans are made anew: nothing of a kernel is in the pickle."""
    golden = goldens.Golden(goldens.FIXTURES / case)
    model = load(golden.bundle())
    pickled = pickle.dumps(model)
    again = pickle.loads(pickled)
    (x,) = different(model, 1)
    assert as_bytes(again.predict(data(again, x))) == as_bytes(
        model.predict(data(model, x))
    )
    assert again.plan() == model.plan()
    assert str(again) == str(model)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    other = pickle.loads(pickled)
    assert (other.plan() == model.plan()) == (kernel == "numpy" or case == CELLS)
    inputs = data(other, golden.arrays(0, "x"))
    outputs = goldens.flat(other.predict(inputs))
    for y, expected in zip(outputs, golden.arrays(0, "y")):
        golden.close(y, expected)


def test_a_pickled_model_keeps_its_states(kernel):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "stateful")
    model = load(golden.bundle())
    model.predict(data(model, golden.arrays(0, "x")))
    again = pickle.loads(pickle.dumps(model))
    outputs = goldens.flat(again.predict(data(again, golden.arrays(1, "x"))))
    for y, expected in zip(outputs, golden.arrays(1, "y")):
        golden.close(y, expected)
