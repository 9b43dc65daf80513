"""Latency of ``examples/stream_server.py`` under load: ``python stream_load.py``.

A process serves 3 x GRU64 + Dense2; this one holds the clients, each of which sends a
time step every 20 ms and waits for the answer.  Needs the ``websockets`` package.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from websockets.asyncio.client import connect

from bundles import write_bundle
from fleet import ROOT, environment
from models import STEPS, write_data
from tables import duration, table

if TYPE_CHECKING:
    from collections.abc import Iterator

PERIOD = 0.02
CLIENTS = (1, 10, 100, 200, 500)
PERCENTILES = (50, 99, 99.9)


@contextlib.contextmanager
def served(tick: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, STEPS[0])
        write_bundle(folder, STEPS[0])
        command = [sys.executable, str(ROOT / "examples" / "stream_server.py")]
        command += [str(folder / "model.npz"), "--port", "0", "--tick", str(tick)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment(1)
        ) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split()[-1]
            finally:
                process.terminate()
                process.communicate(timeout=30)


async def client(uri: str, number: int, end: float, taken: list[float]) -> None:
    """One stream: a time step each period, from a moment of its own on."""
    rng = np.random.default_rng(number)
    step = rng.normal(size=STEPS[0].features).astype("<f4").tobytes()
    async with connect(uri, compression=None) as connection:
        await connection.send(step)
        await connection.recv()
        due = time.perf_counter() + 1.0 + rng.uniform(0, PERIOD)
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            await connection.send(step)
            await connection.recv()
            taken.append(time.perf_counter() - sent)
            due += PERIOD


async def clients(uri: str, count: int, seconds: float) -> list[float]:
    """Seconds from a step to its answer, of all clients."""
    taken: list[float] = []
    end = time.perf_counter() + seconds + 1.0
    await asyncio.gather(*(client(uri, n, end, taken) for n in range(count)))
    return taken


def main() -> None:
    """Measure with more and more clients, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tick", type=float, default=0.005)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    rows = []
    for count in CLIENTS:
        with served(options.tick) as uri:
            taken = asyncio.run(clients(uri, count, options.seconds))
        picks = np.percentile(taken, PERCENTILES)
        rate = f"{len(taken) / options.seconds:,.0f}"
        rows.append([f"{count:,}", rate, *map(duration, picks)])
    heads = ["clients", "steps a second", *(f"p{p}" for p in PERCENTILES)]
    print("\n".join(table(heads, rows)))


if __name__ == "__main__":
    main()
