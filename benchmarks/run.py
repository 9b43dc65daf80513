"""Measure everything and write the page: ``python benchmarks/run.py [--quick]``."""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cold
import goals
import scaling
from fleet import Fleet
from models import BATCHES, BLOCKS, NETWORKS, SEQUENCES, SESSIONS, STEPS, Workload
from peers import PEERS, SMALL
from prepare import EXPORTED, FOLDER, LITERT, SAVED, SMALL_LITERT, prepare
from report import load_average, machine_facts, write_report

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
QUICK = (
    "step-stack",
    "sessions-100-of-100",
    "gru64-t100",
    "gru64-b32",
    "transformer-b1",
)
DEFAULT_THREADS = (
    "step-stack",
    "gru64-t100",
    "gru256-t100",
    "gru128-b32",
    "gru128-b256",
    "sessions-10000-of-10000",
)
# One call takes seconds there: only these, once the others have been measured.
HUGE = ("gru512-b4096",)
FEW = ["ONNX Runtime", "gru2np c", "gru2np numpy"]
# These read what Keras made, the others have graphs made by hand.
WHOLE = [
    "gru2np c",
    "gru2np numpy",
    "LiteRT",
    "OpenVINO",
    "Keras in ORT",
    "Keras jit",
    "Keras batch",
    "Keras predict",
]
# Those that keep states of sessions.
KEEPING = [
    "ONNX Runtime",
    "gru2np c",
    "gru2np c float16",
    "gru2np c int8",
    "gru2np numpy",
    "gru2np one by one",
    "LiteRT",
]
COLD = "stack-t100"
COUNT = 1000
# Where time is short only these are measured.
NEEDED = [
    name
    for name in PEERS
    if name
    in (
        *FEW,
        *SMALL,
        "gru2np plain",
        "gru2np one by one",
        "LiteRT",
        "Keras batch",
    )
]
# Bounds in minutes, and how much of that is for what follows the tables.
MINUTES, QUICK_MINUTES, REST = 13.5, 4.0, 0.4
# Seconds for the rounds of a workload, at least and at most; of a huge one in all.
LEAST, MOST, LONG = 1.5, 12.0, 60.0
# What follows: seconds for its rounds, and those that it and the others after it take.
PARTS = {
    "cold": (70.0, 300.0),
    "scaling": (3.0, 225.0),
    "threads": (4.0, 140.0),
    "default": (6.0, 95.0),
}


def main() -> int:
    """Measure, write, and say what was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few workloads, for development"
    )
    parser.add_argument("--minutes", type=float, help="how long it may take")
    parser.add_argument("--only", help="runtimes, separated by commas")
    parser.add_argument("--models", help="workloads, separated by commas; tables only")
    parser.add_argument("--output", type=Path, help="the page")
    parser.add_argument("--results", type=Path, help="write the page of these again")
    options = parser.parse_args()
    output = options.output or ROOT / "docs" / "reference" / "performance.md"
    if options.output is None and (options.quick or options.only or options.models):
        output = FOLDER / "performance.md"
    if options.results:
        results = json.loads(options.results.read_text("utf-8"))
        write_report(output, _with_numbers(results))
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = measure(options)
    save(results)
    write_report(output, results)
    for name, workload, other, got, bound in goals.speed(results["measured"]):
        if got is not None and got > bound:
            say(f"missed: {workload}: {name} {got:.3g}x {other}, bound {bound:.3g}")
    say(f"wrote {output}")
    return 0


START = time.perf_counter()


def elapsed() -> float:
    """Seconds since this began."""
    return time.perf_counter() - START


def say(text: str) -> None:
    """A line for whoever waits."""
    print(f"{elapsed():5.0f} s  {text}", file=sys.stderr, flush=True)


def save(results: dict[str, Any]) -> None:
    """Write what there is by now: ``--results`` makes the page of it."""
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1), "utf-8")


def runtimes_of(workload: Workload) -> list[str]:
    """Those that are measured on such a workload."""
    if workload.sessions:
        return list(KEEPING)
    if workload.network:
        return list(WHOLE)
    return [name for name in PEERS if name != "gru2np one by one"]


def chosen(options: argparse.Namespace) -> tuple[list[Workload], list[str] | None]:
    """The workloads, those of long calls last, and the runtimes (None for all)."""
    # Of the last there is less where time is short: large batches.
    workloads = [*STEPS, *BLOCKS, *SESSIONS, *SEQUENCES, *NETWORKS, *BATCHES]
    workloads.sort(key=lambda workload: workload.name in HUGE)
    names = options.only.split(",") if options.only else None
    if options.models:
        wanted = options.models.split(",")
        return [w for w in workloads if w.name in wanted], names
    if options.quick:
        return [w for w in workloads if w.name in QUICK], names
    return workloads, names


def made(
    workloads: list[Workload],
    scaled: dict[str, dict[int, Workload]],
    names: list[str] | None,
) -> dict[str, Path]:
    """The folders of all models, by the workloads' names."""
    readers = {
        LITERT: {"LiteRT"},
        SMALL_LITERT: {"LiteRT int8"},
        EXPORTED: {"Keras in ORT", "OpenVINO"},
    }
    converted = [file for file in readers if readers[file] & set(names or PEERS)]
    wanted = {w: [] if w.name in HUGE else converted for w in workloads}
    for workload in SESSIONS:
        if workload in wanted:
            wanted[workload] = [file for file in converted if file == LITERT]
    for sizes in scaled.values():
        files = [file for file in converted if file == LITERT]
        wanted |= dict.fromkeys(sizes.values(), files)
    for workload in SEQUENCES:
        if scaled and workload.name == COLD:
            wanted[workload] = [*converted, SAVED]
    return prepare(wanted)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as the report reads it; a part that fails is told there."""
    quick = options.quick
    minutes = options.minutes or (QUICK_MINUTES if quick else MINUTES)
    workloads, names = chosen(options)
    scaled = {} if options.models else scaling.workloads(quick)
    if load_average() > [1.0]:
        say("the machine is busy with something else, and figures will show it")
    say("converting what no earlier run has converted")
    folders = made(workloads, scaled, names)
    say("starting the runtimes")
    machine = machine_facts()
    results: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        "machine": machine,
        "left_out": [],
        **{name: {} for name in PARTS},
    }
    loads = machine["load"]
    rest = 60 * minutes * REST if scaled else 0.0

    def part(name: str, do: Callable[[float], Any]) -> None:
        seconds, remaining = PARTS[name]
        enough = (60 * minutes - elapsed()) / remaining
        if enough < 0 and not quick:
            results["left_out"].append(f"{name}: no time was left")
            return
        say(name)
        try:
            results[name] = do(seconds * min(1.0, max(0.2, enough)))
        except Exception as error:
            say(f"failed: {error}")
            results["left_out"].append(f"{name}: {type(error).__name__}: {error}")
        loads.extend(load_average())
        save(results)

    with Fleet(1, names) as fleet:
        results["versions"], results["missing"] = fleet.versions, fleet.missing
        for name, reason in fleet.missing.items():
            say(f"missing: {name}: {reason}")
        until = 60 * minutes - rest
        found, results["latencies"], short = _rounds(
            fleet, workloads, folders, quick, until, loads
        )
        results["measured"] = found
        results["left_out"] += short
        save(results)
        if scaled:
            absent = {name for name in PEERS if name not in results["versions"]}
            part("cold", lambda s: cold.measure(folders[COLD], absent, 15, s))
            part("scaling", lambda s: scaling.measure(fleet, scaled, folders, s))
            part("threads", lambda s: scaling.measure_threads(fleet, folders, s))
    if scaled:
        part("default", lambda s: _default(workloads, names, folders, s))
    return results


def _rounds(
    fleet: Fleet,
    workloads: list[Workload],
    folders: dict[str, Path],
    quick: bool,
    until: float,
    loads: list[float],
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """What ``Fleet.measure`` found, single calls of steps, what there was no time for.

    Args:
        fleet: the runtimes with one thread each.
        workloads: the huge ones last.
        folders: of the workloads.
        quick: few rounds, whatever the time.
        until: seconds since the beginning; after that only what is needed.
        loads: of the machine, which grows.
    """
    measured: dict[str, Any] = {}
    latencies: dict[str, Any] = {}
    short, less = [], []
    until -= LONG * sum(workload.name in HUGE for workload in workloads)
    # What loading and first calls took, beside the rounds.
    beside = [8.0]
    for number, workload in enumerate(workloads):
        own = runtimes_of(workload)
        begun = elapsed()
        if begun > until + LONG and workload.name in HUGE:
            measured[workload.name] = {}
            short.append(f"{workload.title}: no time was left")
            continue
        if workload.name in HUGE:
            own = FEW
        elif begun > until and not quick:
            own = [name for name in own if name in NEEDED]
            less.append(workload.title)
        say(workload.title)
        loads.extend(load_average())
        share = (until - begun) / (len(workloads) - number)
        seconds = max(LEAST, min(MOST, share - statistics.median(beside)))
        measured[workload.name] = one = fleet.measure(
            folders[workload.name],
            rounds=3 if quick else 9,
            seconds=seconds,
            names=[name for name in own if name in fleet.handles],
        )
        beside.append(max(0.0, elapsed() - begun - seconds))
        if workload in STEPS:
            running = [name for name, record in one.items() if "rounds" in record]
            parts = 1 if quick else 4
            latencies[workload.name] = fleet.latencies(running, COUNT, parts)
    if less:
        names = ", ".join(NEEDED)
        short.append(f"other than {names}, for want of time: {'; '.join(less)}")
    return measured, latencies, short


def _default(
    workloads: list[Workload],
    names: list[str] | None,
    folders: dict[str, Path],
    seconds: float,
) -> dict[str, Any]:
    """By workload what was found where nobody sets a number of threads."""
    with Fleet(None, names) as fleet:
        return {
            workload.name: fleet.measure(
                folders[workload.name],
                rounds=7,
                seconds=seconds,
                names=[n for n in runtimes_of(workload) if n in fleet.handles],
            )
            for workload in workloads
            if workload.name in DEFAULT_THREADS
        }


def _with_numbers(results: dict[str, Any]) -> dict[str, Any]:
    """JSON has no numbers as keys."""
    for kind in ("scaling", "threads"):
        results[kind] = {
            axis: {
                name: {int(n): s for n, s in line.items()}
                for name, line in lines.items()
            }
            for axis, lines in results[kind].items()
        }
    return results


if __name__ == "__main__":
    sys.exit(main())
