"""The page that says what was measured."""

from __future__ import annotations

import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import goals
import tables
from models import BATCHES, BLOCKS, NETWORKS, SEQUENCES, SESSIONS, STEPS
from peers import BASELINE, EXPLAINED, PEERS
from plots import write_overview, write_plots, write_threads

ROOT = Path(__file__).resolve().parent.parent

HEAD = """\
# Measurements

Written by `make bench`; run it on your machine, because the numbers here are of one.

Every runtime has a process of its own, and only one of them works at a time. Each round
visits all of them in random order. A visit is several blocks of calls of at least 1.5
ms each, and its best block counts. Figures are **medians of the ratios of the rounds**,
so what disturbs the machine disturbs both sides. With one thread, calls above 2 ms are
counted in CPU time. Every output was compared with float64 before it was timed: the
second line of a cell is the largest difference. Everything is float32; models have
random weights, the same for every runtime. Lower is better; 1 is ONNX Runtime.
"""
QUICK = """\
**A quick run: few workloads and few rounds.**
"""
SHORT = """\
Time of one call with one thread, the best of the rounds. Microseconds are of this
machine and its load.
"""
STEP = """\
One time step a call at batch 1, with the state carried over and a new output array, as
for a microphone, a sensor or a ticker. The Keras model of one step is unrolled, for
LiteRT and the export too: that is its fastest form.
"""
SESSION = """\
3 x GRU64 + Dense2, 4 features; a call is one time step of all sessions or of some that
are drawn anew, with the states carried over. gru2np runs `Streams.step`; ONNX Runtime
and LiteRT run a model of that batch size, with rows of arrays of states that NumPy
gathers and scatters. Differences are of the first 64 rows.
"""
RATE = "Sessions times steps a second, one thread, the best of the rounds:"
BLOCK = """\
A block of time steps a call at batch 1, with the state carried over and a new output
array, as for a sound card. The output has every step.
"""
SEQUENCE = """\
Batch 1, 32 features. The output is the whole sequence; of the stack it is the last
step.
"""
BATCH = """\
50 time steps of 32 features. The last step goes through a Dense layer. Differences are
of the first 64 rows.
"""
NETWORK = """\
Recurrent layers among others, and a model without any; Keras made and saved them. A
CRNN has two convolutions of 32 and 64 filters with pooling, a bidirectional GRU64, and
a softmax over 37 characters for each of 32 columns. The transformer encoder has two
blocks with 64 features, 4 heads, and 256 units between. ONNX Runtime and OpenVINO run
what Keras exports. Here 1 is Keras' `predict_on_batch`.
"""
SMALL = """\
Bundles of `gru2np export --store`, and what others have for small weights. Here 1 is
`gru2np c` with weights of float32. The second line is the largest difference from
float64 with the weights as trained: it is what the smaller weights cost. The models
have random weights, which lose more than trained ones.
"""
DEFAULT = """\
No number of threads is set anywhere; wall time. Ratios are to ONNX Runtime with its own
default threads.
"""
COLD = """\
Whole processes, from their start to the first prediction of the stack on 100 steps,
with `OPENBLAS_NUM_THREADS=1` and similar settings, in rounds of random order. Figures
are medians. "CPU over NumPy alone" is the median of the differences within a round;
NumPy alone imports NumPy and reads the input. "Installed" is the package and all that
it requires.
"""
OVERVIEW = "Ratios to ONNX Runtime, one thread, on a logarithmic scale"
GAINS = "How much faster all threads are than one"
THREADS = """\
Wall time, the best of the rounds. gru2np's kernel splits large batches over threads.
NumPy has the threads of its BLAS, which wait for each other in a loop: on a busy
machine that costs many times the work, and `OPENBLAS_NUM_THREADS=1` is faster.
"""
TARGETS = """\
What a release must keep: ratios of the tables above, with one thread, and the start
over NumPy alone. The targets were set on another processor, a Zen 4 with AVX-512.
"""
LOSSES = """\
Every case above, with one thread, in which another runtime is faster, and how many
times as long gru2np takes.
"""


def write_report(path: Path, results: dict[str, Any]) -> None:
    """Write the page, and its plots into a folder of the same name."""
    measured = results["measured"]
    lines = [HEAD, QUICK] if results.get("quick") else [HEAD]
    lines += [*_machine(results), "", *_runtimes(results), ""]
    if table := tables.summary(measured):
        lines += ["## In short", "", SHORT, *table, ""]
    lines += _overview(path, measured)
    for title, text, workloads, to in (
        ("Streaming", STEP, STEPS, BASELINE),
        ("Blocks", BLOCK, BLOCKS, BASELINE),
        ("Sessions", SESSION, SESSIONS, BASELINE),
        ("Sequences", SEQUENCE, SEQUENCES, BASELINE),
        ("Batches", BATCH, BATCHES, BASELINE),
        ("Whole networks", NETWORK, NETWORKS, goals.BATCH),
    ):
        names = [workload.name for workload in workloads]
        if table := tables.ratios(names, measured, to):
            lines += [f"## {title}, one thread", "", text, *table, ""]
            lines += [*tables.spread(names, measured, to), ""]
        if title == "Streaming" and (table := tables.latencies(results["latencies"])):
            lines += ["Single calls, one thread, as a user waits for them:", ""]
            lines += [*table, ""]
        if title == "Sessions" and (table := tables.rates(SESSIONS, measured)):
            lines += [RATE, "", *table, ""]
    if table := tables.small(measured):
        lines += ["## Small weights, one thread", "", SMALL, *table, ""]
    lines += [*_left_out(results), ""]
    default = results["default"]
    if table := tables.ratios(list(default), default):
        lines += ["## Default threads", "", DEFAULT, *table, ""]
    if results["cold"]:
        lines += ["## Start, memory and size", "", COLD, *tables.cold(results["cold"])]
        lines.append("")
    lines += _scaling(path, results)
    if table := tables.threads(results["threads"]):
        lines += ["## Threads", "", THREADS, *_threads(path, results["threads"])]
        lines += [*table, ""]
    if losing := tables.losses(measured):
        lines += ["## Where gru2np loses", "", LOSSES, *losing, ""]
    if table := tables.bounds(measured, results["cold"]):
        lines += ["## Targets", "", TARGETS, *table, ""]
    text = "\n".join(lines)
    # Error messages name files; the page shows no paths of this machine.
    for place in (str(ROOT), sys.prefix, str(Path.home())):
        text = text.replace(place, "")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.strip() + "\n", "utf-8")


def _overview(path: Path, measured: dict[str, Any]) -> list[str]:
    try:
        if not write_overview(path.with_suffix("") / "overview.svg", measured):
            return []
    except ImportError:
        return []
    return [f"![{OVERVIEW}]({path.stem}/overview.svg)", "", f"{OVERVIEW}.", ""]


def _threads(path: Path, found: dict[str, Any]) -> list[str]:
    titles = [tables.TITLES[name].replace(", ", ",\n") for name in found]
    try:
        if not write_threads(path.with_suffix("") / "threads.svg", found, titles):
            return []
    except ImportError:
        return []
    return [f"![{GAINS}]({path.stem}/threads.svg)", ""]


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
    load = ""
    if loads:
        middle = statistics.median(loads)
        load = f"load average {min(loads)} to {max(loads)}, median {middle:.1f}"
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
    reasons: dict[str, list[str]] = {}
    for kind in ("measured", "default"):
        for workload, found in results[kind].items():
            for name, record in found.items():
                if "error" in record:
                    titles = reasons.setdefault(f"{name}: {record['error']}", [])
                    titles.append(tables.TITLES.get(workload, workload))
    lines = list(results["left_out"])
    for reason, titles in reasons.items():
        lines.append(f"{reason} ({'; '.join(dict.fromkeys(titles))})")
    return ["Not measured:", "", *(f"- {line}" for line in lines)] if lines else []


def machine_facts() -> dict[str, Any]:
    """The processor and what else a reader needs to judge the numbers."""
    import os

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


def load_average() -> list[float]:
    """How busy the machine is; empty where nobody says."""
    import os

    return [round(os.getloadavg()[0], 1)] if hasattr(os, "getloadavg") else []
