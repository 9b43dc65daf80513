"""The page that says what was measured."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import tables
from models import BATCHES, SEQUENCES, STEPS
from peers import EXPLAINED, PEERS
from plots import write_plots

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
# Performance

Written by `make bench`; run it on your own machine, the numbers here are of one.

Every runtime has a process of its own, and only one of them works at a time. In every
round all are visited in random order; a visit is several blocks of calls of at least
1.5 ms each, and counts with its best block. Figures are **medians of the ratios of the
rounds**: what disturbs the machine disturbs both sides. With one thread, calls above
2 ms are counted in CPU time. Every output was compared with float64 before it was
timed: the second line of a cell is the largest difference. float32 everywhere; models
have random weights, the same for every runtime. Lower is better, 1 is ONNX Runtime.
"""
STEP = """\
One time step a call at batch 1, the state carried over, a fresh output array: a
microphone, a sensor, a ticker. The Keras model of one step is unrolled, for LiteRT and
the export too: that is its fastest form.
"""
SEQUENCE = """\
Batch 1, 32 features, the whole sequence out; of the stack its last step.
"""
BATCH = """\
50 time steps of 32 features, the last step through a Dense layer. Differences are of
the first 64 rows.
"""
DEFAULT = """\
No number of threads set anywhere, wall time. Ratios to ONNX Runtime with its own
default threads.
"""
COLD = """\
Whole processes, from their start to the first prediction of the stack on 100 steps,
with `OPENBLAS_NUM_THREADS=1` and its like; the median of the starts, in random order.
NumPy alone imports NumPy and reads the input. Installed: the package and all that it
requires.
"""
LOSSES = """\
Every case measured above, with one thread, in which another runtime is faster, and how
much faster it is.
"""


def write_report(path: Path, results: dict[str, Any]) -> None:
    """Write the page, and its plots in the folder of its name beside it."""
    measured = results["measured"]
    lines = [HEAD, *_machine(results), "", *_runtimes(results), ""]
    for title, text, workloads in (
        ("Streaming", STEP, STEPS),
        ("Sequences", SEQUENCE, SEQUENCES),
        ("Batches", BATCH, BATCHES),
    ):
        names = [workload.name for workload in workloads]
        if table := tables.ratios(names, measured):
            lines += [f"## {title}, one thread", "", text, *table, ""]
            lines += [*tables.spread(names, measured), ""]
        if title == "Streaming" and (table := tables.latencies(results["latencies"])):
            lines += ["Single calls, one thread, as a user waits for them:", ""]
            lines += [*table, ""]
    lines += [*_left_out(results), ""]
    default = results["default"]
    if table := tables.ratios(list(default), default):
        lines += ["## Default threads", "", DEFAULT, *table, ""]
    if results["cold"]:
        lines += ["## Start, memory and size", "", COLD, *tables.cold(results["cold"])]
        lines.append("")
    lines += _scaling(path, results)
    if table := tables.threads(results["threads"]):
        lines += [
            "## Threads",
            "",
            "Wall time, the best of the rounds.",
            "",
            *table,
            "",
        ]
    if losing := tables.losses(measured):
        lines += ["## Where gru2np loses", "", LOSSES, *losing, ""]
    if table := tables.bounds(measured, results["cold"]):
        lines += ["## Bounds", "", "What a release is to keep.", "", *table, ""]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.strip() + "\n", "utf-8")


def _scaling(path: Path, results: dict[str, Any]) -> list[str]:
    lines = ["## Scaling, one thread", "", "The best of the rounds.", ""]
    try:
        plots = write_plots(path.with_suffix(""), results["scaling"])
    except ImportError as error:
        return [*lines, f"No plots: {error}.", ""]
    for name, caption in plots:
        lines += [f"![Microseconds a call: {caption}]({path.stem}/{name})", ""]
        lines += [f"Microseconds a call: {caption}.", ""]
    return lines if plots else []


def _machine(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    loads = machine["load"]
    load = f"load {loads[0]} at the start and {loads[1]} at the end" if loads else ""
    parts = [
        machine["processor"],
        f"{machine['cores']} cores",
        machine["instructions"],
        machine["system"],
        f"Python {machine['python']}",
        f"NumPy {machine['numpy']} ({machine['blas']})",
        load,
        results["date"],
    ]
    return ["; ".join(part for part in parts if part) + "."]


def _runtimes(results: dict[str, Any]) -> list[str]:
    lines = []
    for name in PEERS:
        version = results["versions"].get(name)
        if version is None and name not in results["missing"]:
            continue
        if version is None:
            lines.append(f"- {name}: **missing**, {results['missing'][name]}")
        else:
            lines.append(f"- {name}: {EXPLAINED[name]} ({version})")
    return lines


def _left_out(results: dict[str, Any]) -> list[str]:
    """What was planned and has no figure, with the reason."""
    lines = list(results["left_out"])
    for kind in ("measured", "default"):
        for workload, found in results[kind].items():
            title = tables.TITLES.get(workload, workload)
            lines += [
                f"{name}, {title}: {record['error']}"
                for name, record in found.items()
                if "error" in record
            ]
    return ["Not measured:", "", *(f"- {line}" for line in lines)] if lines else []


def machine_facts() -> dict[str, Any]:
    """The processor and what else a reader needs to judge the numbers."""
    import os
    from pathlib import Path

    import numpy as np

    processor, flags = platform.processor() or platform.machine(), ""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                processor = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = value
    known = ("sse2", "avx2", "fma", "avx512f", "asimd")
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "instructions": " ".join(n for n in known if n in flags.split()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', '?')} {blas.get('version', '')}".strip(),
        "load": [],
    }


def load_average() -> float | None:
    """How busy the machine is; None where nobody says."""
    import os

    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
