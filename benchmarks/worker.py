"""One runtime in a process of its own: ``python worker.py NAME THREADS``.

Reads a command a line and answers with a line, both JSON.  A command is an object with
``do``; answers hold ``error`` where something failed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from models import CHECKED_ROWS, Workload
from peers import PEERS, SMALL, Missing

BLOCK = 1.5e-3
BLOCKS = 6
# Calls longer than this are measured in CPU time where there is one thread: other
# processes interrupt them.
LONG = 2e-3
# What a right output may differ from float64 with the weights as trained.
FINE, COARSE = 1e-4, 0.3
# Letters of a reason.
LENGTH = 240


class Worker:
    """The runtime, and the model that it was last given."""

    def __init__(self, name: str, threads: int | None) -> None:
        module, variant = PEERS[name]
        self.peer = importlib.import_module(f"peers.{module}").start(variant, threads)
        self.one_thread = threads == 1
        self.most = COARSE if name in SMALL else FINE
        self.run: Any = None
        self.calls = 1
        self.seconds = 0.0

    def prepare(self, folder: str) -> dict[str, Any]:
        """Load a model, compare it with float64, and find out how long a call takes.

        Returns:
            ``difference``, the largest absolute one; ``seconds`` of one call.
        """
        path = Path(folder)
        record = json.loads((path / "workload.json").read_text("utf-8"))
        workload = Workload.from_json(record)
        self.run = self.begin = None
        gc.collect()
        self.begin = self.peer.load(workload, path)
        x, expected = np.load(path / "x.npy"), np.load(path / "y.npy")
        self.run = self.begin()
        if workload.step:
            as_it_is = self.peer.step_rank == 2 or workload.time > 1
            as_it_is = as_it_is or bool(workload.sessions)
            steps = [row if as_it_is else row[None] for row in x]
            y = np.stack([np.array(self.run(row))[:CHECKED_ROWS] for row in steps])
            y = y.reshape(expected.shape)
            self.x = steps[0]
            first = BLOCK
        else:
            start = time.perf_counter()
            y = np.asarray(self.run(x))[:CHECKED_ROWS]
            first = time.perf_counter() - start
            self.x = x
        difference = float(np.abs(y.astype(np.float64) - expected).max())
        if y.shape != expected.shape or not difference < self.most:
            raise Missing(f"wrong: {difference:.1e} from float64")
        self.seconds = first
        if first < 1.0:
            # Long calls are not made twice; of others the first may compile.
            start = time.perf_counter()
            self.run(self.x)
            self.seconds = time.perf_counter() - start
        if self.seconds < BLOCK:
            _, self.seconds, _ = self._block(max(1, int(BLOCK / self.seconds)))
        self.calls = max(1, -int(-BLOCK // self.seconds))
        return {"difference": difference, "seconds": self.seconds}

    def _block(self, calls: int) -> tuple[int, float, float]:
        run, x = self.run, self.x
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            run(x)
        wall = time.perf_counter() - wall
        return calls, wall / calls, (time.process_time() - cpu) / calls

    def visit(self, wall: bool = False) -> dict[str, float]:
        """The best of several blocks, in seconds a call.

        Args:
            wall: never CPU time, also for long calls of one thread.
        """
        gc.collect()
        if self.seconds < 0.1:
            self._block(1)
        # Long calls are one block: a visit is not to last forever.
        blocks = BLOCKS if self.seconds < 0.02 else 2 if self.seconds < 0.1 else 1
        times = [self._block(self.calls) for _ in range(blocks)]
        in_cpu = self.one_thread and self.seconds > LONG and not wall
        return {"seconds": min(cpu if in_cpu else clock for _, clock, cpu in times)}

    def latencies(self, count: int, seconds: float) -> dict[str, Any]:
        """Seconds of single calls, one after the other, at most ``seconds`` in all."""
        run, x, clock = self.begin(), self.x, time.perf_counter_ns
        for _ in range(20 if self.seconds < 0.01 else 2):
            run(x)
        taken = []
        end = clock() + int(seconds * 1e9)
        for _ in range(count):
            start = clock()
            run(x)
            after = clock()
            taken.append(after - start)
            if after > end:
                break
        return {"nanoseconds": taken}


def main(name: str, threads: str) -> None:
    """Answer commands until the input ends."""
    # Runtimes print; the pipe is for answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(record: dict[str, Any]) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    try:
        worker = Worker(name, int(threads) if threads != "default" else None)
    except (ImportError, Missing) as error:
        answer({"error": str(error)})
        return
    answer({"version": worker.peer.version})
    for line in sys.stdin:
        command = json.loads(line)
        do = getattr(worker, command.pop("do"))
        try:
            answer(do(**command))
        except Exception as error:
            reason = " ".join(str(error).replace("\\n", " ").split())
            if len(reason) > LENGTH:
                reason = reason[:LENGTH].rpartition(" ")[0] + " ..."
            if not isinstance(error, Missing):
                reason = f"{type(error).__name__}: {reason}"
            answer({"error": reason})


if __name__ == "__main__":
    main(*sys.argv[1:])
