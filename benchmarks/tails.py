"""The slowest of a million steps: ``python benchmarks/tails.py [--steps N]``.

Every runtime makes its steps one after the other, in turns with the others, each in a
process of its own.  gru2np runs in four settings: with a new output array or with
``out``; and in a program that holds many objects and makes more at every step, with
Python's collector and without it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fleet import environment
from models import STEPS
from peers import PEERS, Missing
from prepare import LITERT, prepare
from tables import duration, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[], object]

WORKLOAD = next(w for w in STEPS if w.name == "step-stack")
COUNT, TURNS = 1_000_000, 10
PERCENTILES = (50, 99, 99.9, 100)
# Objects that a program around the loop holds, that it makes with every step, and from
# which on it lets those go; the last is not timed.
HELD, MADE, MOST = 300_000, 5, 100_000
# What runs: the peer, and how Python is set up.
ROWS = {
    "gru2np c, a new array": ("gru2np c", "new"),
    "gru2np c, `out`": ("gru2np c", "out"),
    "the same, in a program with many objects": ("gru2np c", "busy"),
    "the same, after `gc.freeze()` and `gc.disable()`": ("gru2np c", "busy frozen"),
    "gru2np numpy, `out`": ("gru2np numpy", "out"),
    "LiteRT": ("LiteRT", "new"),
    "ONNX Runtime": ("ONNX Runtime", "new"),
}


def begin(name: str, setting: str, folder: Path) -> tuple[Run, list[Any]]:
    """A step of a runtime in its setting, and a list of what it made beside."""
    import importlib

    module, variant = PEERS[name]
    peer = importlib.import_module(f"peers.{module}").start(variant, 1)
    x = np.load(folder / "x.npy")[0]
    if setting == "new":
        run = peer.load(WORKLOAD, folder)()
        given = x if peer.step_rank == 2 else x[None]
        return lambda: run(given), []
    from gru2np_runtime import load

    model = load(folder / "model.npz")
    state = model.initial_state()
    out, _ = model.step(x, state)
    step = model.step
    if not setting.startswith("busy"):
        return lambda: step(x, state, out), []
    held = [[number] for number in range(HELD)]
    if setting == "busy frozen":
        gc.collect()
        gc.freeze()
        gc.disable()
    made: list[Any] = []

    def busy(held: list[Any] = held) -> None:
        step(x, state, out)
        for _ in range(MADE):
            made.append([None])

    return busy, made


def serve(row: str, folder: str) -> None:
    """Answer each number on the input with that many times, in nanoseconds."""
    from pathlib import Path

    # A thread that is to be in time has a high priority, where it may have one.
    with contextlib.suppress(AttributeError, PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    try:
        step, made = begin(*ROWS[row], Path(folder))
    except (ImportError, Missing) as error:
        print(json.dumps(str(error)), flush=True)
        return
    clock = time.perf_counter_ns
    for _ in range(1000):
        step()
    print(json.dumps(""), flush=True)
    for line in sys.stdin:
        taken = np.empty(int(line), np.int64)
        for number in range(len(taken)):
            start = clock()
            step()
            taken[number] = clock() - start
            if len(made) > MOST:
                made.clear()
        print(json.dumps(taken.tolist()), flush=True)


def measure(count: int, rows: list[str]) -> list[list[str]]:
    """A line of the table for each row."""
    folder = prepare({WORKLOAD: [LITERT]})[WORKLOAD.name]
    workers = {
        row: subprocess.Popen(
            [sys.executable, __file__, "--serve", row, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(1),
        )
        for row in rows
    }

    def answer(row: str, line: str = "") -> Any:
        worker = workers[row]
        assert worker.stdin is not None
        assert worker.stdout is not None
        if line:
            worker.stdin.write(line + "\n")
            worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    errors = {row: answer(row) for row in rows}
    taken: dict[str, list[int]] = {row: [] for row in rows}
    for turn in range(TURNS):
        print(f"turn {turn + 1} of {TURNS}", file=sys.stderr, flush=True)
        for row in rows:
            if not errors[row]:
                taken[row] += answer(row, str(count // TURNS))
    for worker in workers.values():
        worker.communicate()
    lines = []
    for row in rows:
        cells = [errors[row] or "–"] * len(PERCENTILES)
        if taken[row]:
            found = np.percentile(taken[row], PERCENTILES) * 1e-9
            cells = [duration(seconds) for seconds in found]
        lines.append([row, *cells])
    return lines


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=COUNT, help="of each runtime")
    options = parser.parse_args()
    heads = [f"{options.steps:,} steps", "p50", "p99", "p99.9", "slowest"]
    print("\n".join(table(heads, measure(options.steps, list(ROWS)))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
