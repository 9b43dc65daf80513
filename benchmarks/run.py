"""Measure everything and write the page: ``python benchmarks/run.py [--quick]``."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

import cold
import goals
import scaling
from fleet import Fleet
from models import BATCHES, SEQUENCES, STEPS, Workload
from peers import PEERS
from prepare import EXPORTED, FOLDER, LITERT, SAVED, prepare
from report import load_average, machine_facts, write_report

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("step-stack", "gru64-t100", "gru64-b32")
DEFAULT_THREADS = (
    "step-stack",
    "gru64-t100",
    "gru256-t100",
    "gru128-b32",
    "gru128-b256",
)
# One call takes seconds there.
HUGE = ("gru512-b4096",)
FAST = ["ONNX Runtime", "gru2np c", "gru2np numpy", "LiteRT", "OpenVINO"]
# What a quick run does without: they take long to start.
SLOW = ("Keras jit", "Keras batch", "Keras predict", "Keras in ORT")
COLD = "stack-t100"
COUNT = 1000


def main() -> int:
    """Measure, write, and say what was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute, for development"
    )
    parser.add_argument("--all", action="store_true", help="calls of seconds too")
    parser.add_argument("--only", help="runtimes, separated by commas")
    parser.add_argument("--output", type=Path, help="the page")
    parser.add_argument("--results", type=Path, help="write the page of these again")
    options = parser.parse_args()
    output = options.output or ROOT / "docs" / "performance.md"
    if options.quick and options.output is None:
        output = FOLDER / "performance.md"
    if options.results:
        results = json.loads(options.results.read_text("utf-8"))
        write_report(output, _with_numbers(results))
        return 0
    results = measure(options)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
    write_report(output, results)
    missed = [row for row in goals.speed(results["measured"]) if row[3] > row[4]]
    for name, workload, other, got, bound in missed:
        say(f"missed: {workload}: {name} {got:.3g}x {other}, bound {bound:.3g}")
    say(f"wrote {output}")
    return 0


def say(text: str) -> None:
    """A line for whoever waits."""
    print(f"{time.perf_counter() - START:5.0f} s  {text}", file=sys.stderr, flush=True)


START = time.perf_counter()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as the report reads it."""
    quick, names = options.quick, options.only and options.only.split(",")
    workloads = [*STEPS, *SEQUENCES, *BATCHES]
    left_out = []
    if quick:
        workloads = [w for w in workloads if w.name in QUICK]
        names = names or [name for name in PEERS if name not in SLOW]
        left_out = [f"{name}: not in a quick run" for name in PEERS if name in SLOW]
    elif not options.all:
        left_out = [
            f"{w.title}: a call takes seconds" for w in workloads if w.name in HUGE
        ]
        workloads = [w for w in workloads if w.name not in HUGE]
    scaled = scaling.workloads(quick)
    converters = {"LiteRT": LITERT, "Keras in ORT": EXPORTED}
    converted = [file for name, file in converters.items() if name in (names or PEERS)]
    wanted: dict[Workload, list[str]] = dict.fromkeys(workloads, converted)
    for sizes in scaled.values():
        files = [file for file in converted if file == LITERT]
        wanted |= dict.fromkeys(sizes.values(), files)
    cold_one = next(w for w in SEQUENCES if w.name == COLD)
    wanted[cold_one] = [*converted, SAVED]
    say("converting")
    folders = prepare(wanted)
    machine = machine_facts()
    before = load_average()
    results: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        "left_out": left_out,
        "measured": {},
        "latencies": {},
        "default": {},
    }
    say("starting the runtimes")
    with Fleet(1, names) as fleet:
        results["versions"], results["missing"] = fleet.versions, fleet.missing
        for name, reason in fleet.missing.items():
            say(f"missing: {name}: {reason}")
        for workload in workloads:
            say(workload.title)
            own = FAST if workload.name in HUGE else None
            results["measured"][workload.name] = found = fleet.measure(
                folders[workload.name],
                rounds=3 if quick else 9,
                seconds=3 if quick else 15,
                names=own and [name for name in own if name in fleet.handles],
            )
            if workload.step:
                running = [name for name, record in found.items() if "rounds" in record]
                results["latencies"][workload.name] = fleet.latencies(
                    running, COUNT, parts=1 if quick else 4
                )
        say("scaling")
        results["scaling"] = scaling.measure(fleet, scaled, folders)
        say("threads")
        results["threads"] = scaling.measure_threads(fleet, folders)
    if not quick:
        say("default threads")
        with Fleet(None, names) as fleet:
            for workload in workloads:
                if workload.name in DEFAULT_THREADS:
                    results["default"][workload.name] = fleet.measure(
                        folders[workload.name], rounds=7, seconds=8
                    )
    say("cold starts")
    absent = {name for name in PEERS if name not in results["versions"]}
    results["cold"] = cold.measure(folders[COLD], absent, 2 if quick else 7)
    machine["load"] = [before, load_average()] if before is not None else []
    return results


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
