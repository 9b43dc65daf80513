"""Worker processes, one for each runtime, and rounds in which all are visited."""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from peers import PEERS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ROUNDS = 9
# Seconds for one command.
LIMIT = 90
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "GRU2NP_THREADS",
)


def environment(threads: int | None) -> dict[str, str]:
    """Of a process that runs this tree's runtime, with so many threads."""
    given = {key: value for key, value in os.environ.items() if key not in THREADS}
    # An installed package is compiled; so is this tree, once it has been started.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    if threads is not None:
        given |= dict.fromkeys(THREADS, str(threads))
    folders = [ROOT / "runtime", ROOT / "converter", HERE]
    given["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    given["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return given


class Handle:
    """A worker process."""

    def __init__(self, name: str, threads: int | None) -> None:
        self.name, self.threads = name, threads
        self.version = ""
        self.missing: str | None = None
        self.start()

    def start(self) -> None:
        """Start the process; ``ready`` waits for it."""
        name, threads = self.name, self.threads
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), name, str(threads or "default")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(threads),
        )

    def ready(self) -> None:
        """Wait until it has imported its runtime."""
        answer = self._answer()
        self.version = answer.get("version", "")
        self.missing = answer.get("error")

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        if do == "prepare" and self.process.poll() is not None:
            # One model that ends it is no reason to go without the others.
            self.close()
            self.start()
            self.ready()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **options}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process ended"}
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        # Nobody waits for a runtime that hangs.
        timer = threading.Timer(LIMIT, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.process.kill()
            self.process.wait()
        return json.loads(line) if line else {"error": "the process ended"}

    def close(self) -> None:
        """End it."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Fleet:
    """The runtimes of one number of threads.

    Args:
        threads: for every runtime; None leaves each its own default.
        names: of the runtimes, all of them if not given.
    """

    def __init__(self, threads: int | None, names: list[str] | None = None) -> None:
        self.handles = {name: Handle(name, threads) for name in names or PEERS}
        for handle in self.handles.values():
            handle.ready()
        self.missing = {n: h.missing for n, h in self.handles.items() if h.missing}
        self.versions = {n: h.version for n, h in self.handles.items() if h.version}
        self.random = random.Random(0)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self.handles.values():
            handle.close()

    def measure(
        self,
        folder: Path,
        *,
        rounds: int = ROUNDS,
        seconds: float = 20.0,
        names: list[str] | None = None,
        wall: bool = False,
    ) -> dict[str, Any]:
        """Visit all runtimes in every round, in random order.

        Args:
            folder: of the workload.
            rounds: how many, at most.
            seconds: for all rounds together; there are at least three.
            names: of the runtimes, all of them if not given.
            wall: never CPU time.

        Returns:
            By runtime ``difference`` and ``rounds``, seconds a call; or ``error``.
        """
        found: dict[str, Any] = {}
        running: dict[str, float] = {}
        for name in names or self.handles:
            if name in self.missing:
                continue
            found[name] = self.handles[name].ask("prepare", folder=str(folder))
            if "error" not in found[name]:
                running[name] = found[name]["seconds"]
                found[name]["rounds"] = []
        # A visit is a call to warm up and its blocks, one call where they are long.
        cost = sum(max(0.012, s if s > 0.1 else 7 * s) for s in running.values())
        for _ in range(max(3, min(rounds, int(seconds / max(cost, 1e-9))))):
            order = list(running)
            self.random.shuffle(order)
            for name in order:
                answer = self.handles[name].ask("visit", wall=wall)
                if "error" in answer:
                    found[name] = answer
                    del running[name]
                else:
                    found[name]["rounds"].append(answer["seconds"])
        return found

    def latencies(self, names: list[str], count: int, parts: int) -> dict[str, Any]:
        """Percentiles of single calls of the models last measured, in seconds."""
        taken: dict[str, list[int]] = {name: [] for name in names}
        for _ in range(parts):
            self.random.shuffle(names)
            for name in names:
                answer = self.handles[name].ask(
                    "latencies", count=count // parts, seconds=1.5
                )
                taken[name].extend(answer.get("nanoseconds", []))
        found = {}
        for name, all_of_it in taken.items():
            ordered = sorted(all_of_it)
            if ordered:
                picks = [ordered[int(p * (len(ordered) - 1))] for p in (0.5, 0.9, 0.99)]
                found[name] = {
                    "count": len(ordered),
                    "percentiles": [pick * 1e-9 for pick in picks],
                }
        return found


def ratio(found: dict[str, Any], name: str, to: str) -> list[float] | None:
    """Median, smallest and largest ratio of the rounds; None if not measured."""
    own, other = (found.get(key, {}).get("rounds") for key in (name, to))
    if not own or not other:
        return None
    ratios = [a / b for a, b in zip(own, other, strict=False)]
    return [statistics.median(ratios), min(ratios), max(ratios)]
