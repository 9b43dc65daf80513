"""Pieces handed to worker processes; one that crashes is a fault, and no end."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from proof import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Pieces of one process: what a Keras keeps of its models is given back.
LIFE = 50


class Worker:
    """A process that runs pieces, started when it is needed."""

    command = (sys.executable, "-m", "proof.worker")

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.asked = 0

    def ask(self, piece: str) -> dict[str, Any]:
        """What became of a piece."""
        if self.process is None or self.asked == LIFE:
            self.end()
            self.start()
        self.asked += 1
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        print(piece, file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if answer:
            return dict(json.loads(answer))
        code = process.wait()
        self.errors.seek(0)
        said = self.errors.read()[-4000:]
        self.end()
        fault = f"{said}\nthe process ended with exit code {code}"
        return {"piece": piece, "cases": 0, "seconds": 0.0, "fault": fault}

    def start(self) -> None:
        """Start a process, out of reach of the Ctrl-C of a terminal."""
        self.asked = 0
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )

    def kill(self) -> None:
        """End what it runs; another thread may ask for this."""
        process = self.process
        if process is not None:
            process.kill()

    def end(self) -> None:
        """End the process, whatever it does."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            with process, self.errors:
                pass  # Waits for it and closes its files.


def run(
    pieces: Iterable[str], jobs: int, seconds: float = float("inf")
) -> Iterator[dict[str, Any]]:
    """What became of each piece, in the order in which they end.

    Args:
        pieces: by name.
        jobs: how many processes.
        seconds: after so many, no other piece is begun.
    """
    end = time.monotonic() + seconds
    waiting, ended = queue.SimpleQueue[str](), queue.SimpleQueue[Any]()
    for piece in pieces:
        waiting.put(piece)
    workers = [Worker() for _ in range(jobs)]
    stop = threading.Event()

    def serve(worker: Worker) -> None:
        try:
            while time.monotonic() < end and not stop.is_set():
                ended.put(worker.ask(waiting.get_nowait()))
        except queue.Empty:
            pass
        finally:
            worker.end()
            ended.put(None)

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        running = jobs
        while running:
            result = ended.get()
            if result is None:
                running -= 1
            else:
                yield result
    finally:
        stop.set()
        for worker, thread in zip(workers, threads, strict=True):
            while thread.is_alive():
                worker.kill()
                thread.join(0.1)
