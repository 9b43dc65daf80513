"""Bounds that a release is to keep: ratios to another runtime in the same rounds."""

from __future__ import annotations

from typing import Any

from fleet import ratio
from models import NETWORKS

ORT, BATCH, EXPORTED = "ONNX Runtime", "Keras batch", "Keras in ORT"
PLAIN = "gru2np plain"
# The error of an output: so much times that of Keras, or this much.
ACCURACY, FLOOR = 2.0, 5e-7
# Import, load and first prediction, over NumPy alone.
START_CPU, START_MEMORY = 0.025, 6e6

# Runtime: workload, the other runtime, the largest ratio.
BOUNDS: dict[str, list[tuple[str, str, float]]] = {
    "gru2np numpy": [
        ("step-stack", ORT, 0.7),
        ("step-stack", BATCH, 1 / 30),
        ("step-gru20", ORT, 0.55),
        ("step-gru256", ORT, 0.75),
        *(
            (name, other, bound)
            for name in ("gru64-t100", "gru64-t1000", "stack-t100")
            for other, bound in (
                (ORT, 3.6),
                (PLAIN, 0.45),
                (EXPORTED, 0.35),
                (BATCH, 1 / 6),
            )
        ),
        *((name, ORT, 1.45) for name in ("gru256-t100", "gru256-t1000")),
        ("rnn64-t100", ORT, 1.7),
        ("rnn64-t1000", ORT, 1.2),
        *((name, ORT, 3.6) for name in ("lstm64-t100", "lstm64-t1000")),
        *((name, ORT, 2.0) for name in ("bigru128-t100", "bigru128-t1000")),
        ("gru64-b32", ORT, 1.0),
        ("gru128-b32", ORT, 1.1),
        ("gru512-b32", ORT, 1.25),
        *((f"gru64-b{batch}", ORT, 0.9) for batch in (256, 4096)),
        *((f"gru128-b{batch}", ORT, 0.85) for batch in (256, 4096)),
        *((f"gru512-b{batch}", ORT, 1.05) for batch in (256, 4096)),
        *((workload.name, BATCH, 1.0) for workload in NETWORKS),
    ],
    "gru2np c": [
        ("step-stack", ORT, 0.2),
        ("step-stack", "LiteRT", 0.45),
        ("step-gru20", ORT, 0.12),
        ("step-gru20", "LiteRT", 0.35),
        ("step-gru256", ORT, 0.5),
        *(
            (name, other, bound)
            for name in ("gru64-t100", "gru64-t1000", "stack-t100")
            for other, bound in ((ORT, 0.65), (PLAIN, 0.15))
        ),
        *((name, ORT, 0.9) for name in ("gru256-t100", "gru256-t1000")),
        *((name, ORT, 0.3) for name in ("rnn64-t100", "rnn64-t1000")),
        *((name, "OpenVINO", 0.45) for name in ("rnn64-t100", "rnn64-t1000")),
        *((name, ORT, 0.85) for name in ("lstm64-t100", "lstm64-t1000")),
        *((name, ORT, 0.85) for name in ("bigru128-t100", "bigru128-t1000")),
        ("gru64-b32", ORT, 0.7),
        ("gru128-b32", ORT, 0.8),
        ("gru512-b32", ORT, 0.95),
        *((f"gru{n}-b{batch}", ORT, 0.65) for n in (64, 128) for batch in (256, 4096)),
        *((f"gru512-b{batch}", ORT, 0.85) for batch in (256, 4096)),
        *((workload.name, BATCH, 1.0) for workload in NETWORKS),
    ],
}


def speed(
    measured: dict[str, Any],
) -> list[tuple[str, str, str, float | None, float]]:
    """Runtime, workload, other, ratio (None where it was not to be had) and bound.

    Args:
        measured: of these workloads.
    """
    rows: list[tuple[str, str, str, float | None, float]] = []
    for name, bounds in BOUNDS.items():
        for workload, other, bound in bounds:
            if workload in measured:
                got = ratio(measured[workload], name, other)
                rows.append((name, workload, other, got and got[0], bound))
    return rows


def accuracy(measured: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    """Runtime, workload, error and bound, where Keras was measured."""
    rows = []
    for workload, found in measured.items():
        keras = found.get(BATCH, {}).get("difference")
        for name in ("gru2np c", "gru2np numpy", PLAIN):
            own = found.get(name, {}).get("difference")
            if own is not None and keras is not None:
                rows.append((name, workload, own, max(ACCURACY * keras, FLOOR)))
    return rows


def start(found: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    """What, figure, bound and unit of the starts, over NumPy alone."""
    alone = found.get("NumPy alone", {"error": ""})
    rows = []
    for name in ("gru2np c", "gru2np numpy"):
        own = found.get(name, {"error": ""})
        if "error" in own or "error" in alone:
            continue
        memory = own["memory"] - alone["memory"]
        rows.append((f"{name}, CPU", own["over"] * 1e3, START_CPU * 1e3, "ms"))
        rows.append((f"{name}, memory", memory / 1e6, START_MEMORY / 1e6, "MB"))
    return rows
