"""The fast plans are fast: beside the plain loop, in one process, by turns.

Bounds lie far above what is measured, so that a busy machine does not cross them; real
figures come from ``make bench``.  The process is one of its own, with one thread of
BLAS: several of them on a busy machine make any loop of products slow at random.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

from gru2np_runtime import _plan, layers
from gru2np_runtime._kernel import kernel

ROUNDS = 9
CALLS = 3
OPS = {
    "gru": (layers.GRU, 3, (2, 192)),
    "lstm": (layers.LSTM, 4, (256,)),
    "simple_rnn": (layers.SimpleRNN, 1, (64,)),
}
# Median of the ratios, by kernel and rows.
BOUNDS = {("numpy", 1): 0.75, ("numpy", 32): 0.9, ("c", 1): 0.5, ("c", 32): 0.75}
# A SimpleRNN on many rows is one product and one tanh in any loop: NumPy gains little.
CASES = [
    (named, batch, op)
    for named, batch in BOUNDS
    for op in OPS
    if (named, batch, op) != ("numpy", 32, "simple_rnn")
]


def time_of(run, x):
    """CPU seconds of the fastest of a few calls."""
    times = []
    for _ in range(CALLS):
        start = time.process_time()
        run(x)
        times.append(time.process_time() - start)
    return min(times)


def ratios(op, batch):
    """Of each round, 64 units and 100 steps, once both give the same numbers."""
    layer, gates, bias = OPS[op]
    rng = np.random.default_rng(5)
    weights = {
        "kernel": rng.normal(size=(32, gates * 64)) / 6,
        "recurrent_kernel": rng.normal(size=(64, gates * 64)) / 8,
        "bias": rng.normal(size=bias),
    }
    fast = layer(units=64, return_sequences=True).bind(**weights)
    x = rng.normal(size=(batch, 100, 32)).astype(np.float32)
    y = fast.predict(x)
    _plan.KERNELS.clear()
    plain = layer(units=64, return_sequences=True).bind(**weights)
    np.testing.assert_allclose(y, plain.predict(x), atol=5e-6)
    return [time_of(fast.predict, x) / time_of(plain.predict, x) for _ in range(ROUNDS)]


@pytest.mark.speed
@pytest.mark.parametrize(("wanted", "batch", "op"), CASES)
def test_fast_plans_beat_the_plain_loop(wanted, batch, op):
    child = subprocess.run(
        [sys.executable, __file__, op, str(batch)],
        env={**os.environ, "GRU2NP_KERNEL": wanted, **one_thread()},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(child.stdout)
    if found["kernel"] != wanted:
        pytest.skip("the C kernel is not built here")
    assert statistics.median(found["ratios"]) <= BOUNDS[wanted, batch]


def one_thread():
    """The environment of one thread."""
    names = ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
    return {f"{name}_NUM_THREADS": "1" for name in names} | {"GRU2NP_THREADS": "1"}


if __name__ == "__main__":
    record = {"kernel": kernel(), "ratios": ratios(sys.argv[1], int(sys.argv[2]))}
    print(json.dumps(record))
