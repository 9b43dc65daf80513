"""Markdown tables of what was measured."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from fleet import ratio
from goals import accuracy, speed, start
from models import BATCHES, BLOCKS, NETWORKS, SEQUENCES, SESSIONS, STEPS
from peers import BASELINE, PEERS, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from models import Workload

TITLES = {w.name: w.title for w in (*SEQUENCES, *BLOCKS, *BATCHES, *NETWORKS)}
TITLES |= {w.name: f"Step of {w.title}" for w in (*STEPS, *SESSIONS)}
# Calls from which a p99 says something.
FEW = 200
MET = "met"
OURS = ("gru2np c", "gru2np numpy")
# The table of small weights; its base is the first of ours.
BESIDE = (*SMALL[:2], "LiteRT", "LiteRT int8", BASELINE, "ONNX Runtime int8")
SHORT = (*OURS, BASELINE, "LiteRT", "Keras batch", "Keras predict")
SUMMARY = (
    "step-stack",
    "step-gru20",
    "gru64-t100",
    "lstm64-t100",
    "gru64-b32",
    "gru128-b256",
    "crnn-b1",
    "transformer-b1",
)


def number(value: float) -> str:
    """Two digits that count, or all before the point."""
    if value >= 99.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """In the unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds * 1e9)} ns"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (heads, rule, *rows)]


def _columns(names: Iterable[str], measured: dict[str, Any]) -> list[str]:
    there = {
        name
        for workload in names
        for name, found in measured.get(workload, {}).items()
        if found
    }
    return [name for name in PEERS if name in there and name not in SMALL]


def _base(names: Iterable[str], measured: dict[str, Any], to: str) -> str:
    """What ratios are made to, also in a run without it."""
    found = (measured.get(workload, {}).get(to, {}) for workload in names)
    return to if any(record.get("rounds") for record in found) else "gru2np numpy"


def ratios(
    names: Sequence[str], measured: dict[str, Any], to: str = BASELINE
) -> list[str]:
    """Ratios to one runtime, with the error against float64 below each."""
    names = [name for name in names if name in measured]
    if not names:
        return []
    columns = _columns(names, measured)
    base = _base(names, measured, to)
    others = [name for name in columns if name != base]
    rows = []
    for workload in names:
        found = measured[workload]
        cells = [TITLES.get(workload, workload), _absolute(found.get(base))]
        cells.extend(_ratio(found, name, base) for name in others)
        rows.append(cells)
    return table(["", base, *others], rows)


def small(measured: dict[str, Any]) -> list[str]:
    """Ratios of small weights, and of other runtimes, to the C kernel in float32."""
    base = OURS[0]
    rows = []
    for workload, found in measured.items():
        if not any(ratio(found, name, base) for name in SMALL):
            continue
        cells = [TITLES.get(workload, workload), _absolute(found.get(base))]
        cells.extend(_ratio(found, name, base) for name in BESIDE)
        rows.append(cells)
    return table(["", base, *BESIDE], rows) if rows else []


def _absolute(record: dict[str, Any] | None) -> str:
    if not record or not record.get("rounds"):
        return "–"
    best = min(record["rounds"])
    return f"{duration(best)}<br>{record['difference']:.1e}"


def _ratio(found: dict[str, Any], name: str, base: str) -> str:
    got = ratio(found, name, base)
    if got is None:
        return "failed" if found.get(name, {}).get("error") else "–"
    value = number(got[0])
    if name in (*OURS, *SMALL[:2]):
        value = f"**{value}**"
    return f"{value}<br>{found[name]['difference']:.1e}"


def spread(
    names: Sequence[str], measured: dict[str, Any], to: str = BASELINE
) -> list[str]:
    """How far the ratios of single rounds lie from their median, in sentences."""
    to = _base(names, measured, to)
    widths = [
        (got[2] - got[1]) / got[0]
        for workload in names
        for name in measured.get(workload, {})
        if name != to and (got := ratio(measured[workload], name, to)) is not None
    ]
    if not widths:
        return []
    rounds = [
        len(record["rounds"])
        for workload in names
        for record in measured.get(workload, {}).values()
        if record.get("rounds")
    ]
    middle = statistics.median(widths)
    count = " to ".join(str(n) for n in sorted({min(rounds), max(rounds)}))
    return [
        f"{count} rounds; smallest and largest ratio of a row "
        f"lie {middle:.0%} of the median apart (the median of all rows; at worst "
        f"{max(widths):.0%})."
    ]


def latencies(found: dict[str, Any]) -> list[str]:
    """Percentiles of single steps."""
    rows = []
    for workload, by_name in found.items():
        for name in PEERS:
            if name not in by_name:
                continue
            record = by_name[name]
            percentiles = [duration(value) for value in record["percentiles"]]
            if record["count"] < FEW:
                percentiles[-1] = "–"
            rows.append(
                [f"{TITLES[workload]}: {name}", *percentiles, str(record["count"])]
            )
    return table(["", "p50", "p90", "p99", "calls"], rows) if rows else []


def rates(workloads: Sequence[Workload], measured: dict[str, Any]) -> list[str]:
    """Rows of a batch a second."""
    columns = _columns([w.name for w in workloads], measured)
    rows = []
    for workload in workloads:
        found = measured.get(workload.name, {})
        times = [found.get(name, {}).get("rounds") for name in columns]
        if any(times):
            cells = [number(workload.batch / min(t)) if t else "–" for t in times]
            rows.append([TITLES[workload.name], *cells])
    return table(["", *columns], rows) if rows else []


def cold(found: dict[str, Any]) -> list[str]:
    """Start, memory and size."""
    rows = []
    for name, record in found.items():
        if "error" in record:
            rows.append([name, *["failed"] * 5])
            continue
        over = f"{record['over'] * 1e3:,.0f} ms" if record["over"] else "–"
        rows.append(
            [
                name,
                duration(record["wall"]),
                duration(record["cpu"]),
                over,
                f"{record['memory'] / 1e6:,.0f} MB",
                f"{record['size'] / 1e6:,.0f} MB",
            ]
        )
    heads = ["", "wall", "CPU", "CPU over NumPy alone", "peak memory", "installed"]
    return table(heads, rows)


def threads(found: dict[str, Any]) -> list[str]:
    """Wall time by the number of threads."""
    counts = sorted({int(n) for f in found.values() for v in f.values() for n in v})
    rows = []
    for workload, by_name in found.items():
        for name, times in by_name.items():
            times = {int(n): seconds for n, seconds in times.items()}
            cells = [duration(times[n]) if n in times else "–" for n in counts]
            gain = "–"
            if len(times) > 1:
                gain = f"{number(times[min(times)] / times[max(times)])}x"
            rows.append([f"{TITLES[workload]}: {name}", *cells, gain])
    heads = [f"{n} thread{'s' if n > 1 else ''}" for n in counts]
    return table(["", *heads, "gain"], rows) if rows else []


def summary(measured: dict[str, Any]) -> list[str]:
    """Time of one call of a few workloads, the best of the rounds."""
    rows = []
    for workload in SUMMARY:
        found = measured.get(workload, {})
        times = [found.get(name, {}).get("rounds") for name in SHORT]
        if any(times):
            cells = [duration(min(time)) if time else "–" for time in times]
            rows.append([TITLES[workload], *cells])
    return table(["", *SHORT], rows) if rows else []


def losses(measured: dict[str, Any]) -> list[str]:
    """Every workload where another runtime is faster than one of ours."""
    rows = []
    for workload, found in measured.items():
        cells = []
        for ours in OURS:
            faster = []
            for name in PEERS:
                if name.startswith("gru2np") or name in SMALL:
                    continue
                got = ratio(found, ours, name)
                if got is not None and got[0] > 1.0:
                    faster.append((got[0], name))
            listed = [f"{name} {number(n)}x" for n, name in sorted(faster)[::-1]]
            cells.append(", ".join(listed) or "–")
        if cells != ["–"] * len(OURS):
            rows.append([TITLES.get(workload, workload), *cells])
    return table(["", *OURS], rows) if rows else []


def bounds(measured: dict[str, Any], started: dict[str, Any]) -> list[str]:
    """Ratios and errors beside their bounds."""
    rows = [
        [
            f"{TITLES[workload]}: {name} / {other}",
            _least(bound),
            _beside(got, bound),
            _verdict(got, bound),
        ]
        for name, workload, other, got, bound in speed(measured)
    ]
    errors = accuracy(measured)
    over = [row for row in errors if row[2] > row[3]]
    rows += [
        [
            f"Start: {what}",
            f"{bound:.0f} {unit}",
            f"{got:.1f} {unit}",
            _verdict(got, bound),
        ]
        for what, got, bound, unit in start(started)
    ]
    met = sum(row[-1] == MET for row in rows)
    lines = []
    if rows:
        lines = [f"{met} of {len(rows)} are met.", ""]
        lines += table(["", "target", "measured", "met or not"], rows)
    if errors:
        lines += [
            "",
            f"Accuracy: {len(errors) - len(over)} of {len(errors)} outputs are within "
            "twice Keras' own error against float64, or 5e-7.",
        ]
    lines += [""] if over else []
    lines += [
        f"- Missed: {TITLES[workload]}, {name}: {own:.1e}, bound {bound:.1e}."
        for name, workload, own, bound in over
    ]
    return lines


def _verdict(got: float | None, bound: float) -> str:
    if got is None:
        return "not measured"
    return MET if got <= bound else "**not met**"


def _beside(got: float | None, bound: float) -> str:
    """With more digits where two would hide that a bound is missed."""
    if got is None:
        return "–"
    hidden = got > bound and _least(got) == _least(bound)
    return f"{got:.4g}" if hidden else _least(got)


def _least(value: float) -> str:
    """A ratio, with a third digit where it is small."""
    return f"{value:.3f}" if value < 0.1 else number(value)
