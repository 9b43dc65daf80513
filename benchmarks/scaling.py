"""How times grow with units, time steps, rows and threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fleet import Fleet
from models import BATCHES, SEQUENCES, Workload

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES = [
    "ONNX Runtime",
    "gru2np c",
    "gru2np numpy",
    "naive NumPy",
    "LiteRT",
    "OpenVINO",
    "PyTorch",
]
ROUNDS = 5

# Axis: what it is, what its sizes are, they, the workload of a size.
AXES: dict[str, tuple[str, str, list[int], Any]] = {
    "units": (
        "one step of a GRU with 32 features, by units",
        "units",
        [8, 16, 32, 64, 128, 256, 512],
        lambda n: Workload(
            f"scale-units-{n}", f"GRU{n} step", units=n, time=1, step=True
        ),
    ),
    "time": (
        "GRU64, batch 1, by time steps",
        "time steps",
        [10, 30, 100, 300, 1000, 3000],
        lambda n: Workload(f"scale-time-{n}", f"GRU64, T = {n}", time=n),
    ),
    "batch": (
        "GRU64, T = 50, by rows",
        "rows",
        [1, 4, 16, 64, 256, 1024],
        lambda n: Workload(f"scale-batch-{n}", f"batch {n}", time=50, batch=n),
    ),
}
QUICK = {"units": [16, 64], "time": [10, 100], "batch": [1, 32]}
THREADED = [
    workload
    for workload in (*SEQUENCES, *BATCHES)
    if workload.name in ("gru64-t100", "gru256-t100", "gru128-b256", "gru512-b32")
]


def workloads(quick: bool) -> dict[str, dict[int, Workload]]:
    """By axis and size."""
    return {
        axis: {n: make(n) for n in (QUICK[axis] if quick else sizes)}
        for axis, (_, _, sizes, make) in AXES.items()
    }


def measure(
    fleet: Fleet,
    planned: dict[str, dict[int, Workload]],
    folders: dict[str, Path],
    seconds: float,
) -> dict[str, dict[str, dict[int, float]]]:
    """Seconds a call by axis, runtime and size: the best of the rounds.

    Args:
        fleet: the runtimes with one thread each.
        planned: by axis and size.
        folders: of the workloads.
        seconds: for the rounds of each size.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    names = [name for name in RUNTIMES if name in fleet.handles]
    for axis, sizes in planned.items():
        lines = found[axis] = {}
        for size, workload in sizes.items():
            measured = fleet.measure(
                folders[workload.name], rounds=ROUNDS, seconds=seconds, names=names
            )
            for name, record in measured.items():
                if "rounds" in record:
                    lines.setdefault(name, {})[size] = min(record["rounds"])
    return found


def measure_threads(
    fleet: Fleet, folders: dict[str, Path], seconds: float
) -> dict[str, dict[str, dict[int, float]]]:
    """Wall seconds by workload, runtime and threads, the best of the rounds.

    Args:
        fleet: the runtimes with one thread each.
        folders: of the workloads.
        seconds: for the rounds of each workload and number of threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    cores = cores or os.cpu_count() or 1
    counts = sorted({n for n in (2, 4, 8, cores) if 1 < n <= cores})
    names = [n for n in RUNTIMES if n != "naive NumPy" and n in fleet.handles]
    found: dict[str, dict[str, dict[int, float]]] = {}
    fleets = {1: fleet, **{n: Fleet(n, names) for n in counts}}
    try:
        for workload in THREADED:
            if workload.name not in folders:
                continue
            lines = found[workload.name] = {}
            for n, own in fleets.items():
                measured = own.measure(
                    folders[workload.name],
                    rounds=ROUNDS,
                    seconds=seconds,
                    names=names,
                    wall=True,
                )
                for name, record in measured.items():
                    if "rounds" in record:
                        lines.setdefault(name, {})[n] = min(record["rounds"])
    finally:
        for n in counts:
            fleets[n].__exit__()
    return found
