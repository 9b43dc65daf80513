"""The section of hidden states, those of Keras and the runtime over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.reports.blocks import note
from gru2np.reports.markup import Markup, element, name, short_name
from gru2np.reports.plots import Series, legend, lines
from gru2np.reports.telling import by_steps, comparison, recurrent, telling
from gru2np_runtime import Gru2npError
from gru2np_runtime.run.dispatch import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gru2np.inspection.report import Opened
    from gru2np.verification.evidence import Case, Evidence, NodeEvidence
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node

    Array = NDArray[Any]

# Pictures of more layers and units than these are no longer looked at.
MOST_LAYERS, UNITS = 4, 3
# States are shown over as many steps as a line of a page holds.
MOST_STEPS = 400
# Layers that can be run once more for the states in between.
_ALONE = frozenset({"gru", "lstm", "simple_rnn"})


@dataclass(frozen=True)
class States:
    """The hidden state of one layer in one row of one case.

    Attributes:
        case: the case it comes from.
        seen: the layer in it.
        row: of the batch.
        units: those shown: where Keras and the runtime differ, those furthest apart,
            otherwise those that move most.
        steps: those shown, of at most ``MOST_STEPS``.
        theirs: Keras', (rows, steps, units); NaN where it gives only the last step.
        ours: the runtime's.
        masked: whether each step is masked; None where no step is.
    """

    case: Case
    seen: NodeEvidence
    row: int
    units: tuple[int, ...]
    steps: range
    theirs: Array
    ours: Array
    masked: list[bool] | None


def states(evidence: Evidence, own: Opened) -> list[Markup]:
    """The section; nothing where no layer has a state to show."""
    found = list(_found(evidence, own))
    if not found:
        return []
    keys = [("state", "Keras"), ("runtime", "gru2np_runtime")]
    if any(one.masked is not None for one in found):
        keys.append(("mask", "masked step"))
    return [
        element(
            "p",
            "Where the thin line runs inside the broad one, both have the same state. "
            "Shown are the units that move most, or where a layer differs those "
            "furthest apart.",
        ),
        legend(keys),
        *(markup for one in found for markup in _shown(one)),
    ]


def _found(evidence: Evidence, own: Opened) -> Iterator[States]:
    count = 0
    for node in recurrent(evidence, own):
        layer = own.graph.layers[node.layer]
        kept = telling(evidence, node, by_steps(layer))
        if kept is None:
            one = _last_only(evidence, node, layer, own)
        else:
            one = _states(*kept, kept[1].theirs[0], kept[1].ours[0])
        if one is not None:
            count += 1
            yield one
        if count == MOST_LAYERS:
            return


def _last_only(
    evidence: Evidence, node: Node, layer: Layer, own: Opened
) -> States | None:
    """A layer that gives its last step only: the runtime's way there, Keras' end."""
    names = ("return_sequences", "time_major", "stateful")
    plain = layer.op in _ALONE and not any(getattr(layer, key, False) for key in names)

    def length(seen: NodeEvidence) -> int:
        x = seen.inputs[0]
        return x.shape[1] if plain and x.ndim == 3 and x.size and x.shape[1] > 1 else 0

    kept = telling(evidence, node, length)
    if kept is None:
        return None
    case, seen = kept
    attributes = {**layer.attributes(), "return_sequences": True, "return_state": False}
    prefix = f"{node.layer}/"
    weights = {
        path[len(prefix) :]: own.read(path).astype(layer.dtype, copy=False)
        for path in own.paths
        if path.startswith(prefix)
    }
    try:
        plan = make_plan(type(layer)(**attributes), weights, fast=False)
        (ours,) = plan.run(seen.inputs, seen.mask)
    except (Gru2npError, TypeError, ValueError):
        return None
    if seen.theirs[0].shape != ours[:, -1].shape:
        return None
    theirs = np.full(ours.shape, np.nan, np.float64)
    theirs[:, -1] = seen.theirs[0]
    return _states(case, seen, theirs, ours)


def _states(case: Case, seen: NodeEvidence, theirs: Array, ours: Array) -> States:
    steps = ours.shape[1]
    # Steps from the end, where only the end can be compared.
    first = max(steps - MOST_STEPS, 0) if np.isnan(theirs[:, 0]).all() else 0
    part = range(first, min(first + MOST_STEPS, steps))
    theirs, ours = (x.reshape(len(x), steps, -1)[:, part] for x in (theirs, ours))
    compared = comparison(case, seen.name)
    with np.errstate(invalid="ignore", over="ignore"):
        if compared is None or compared.agrees:
            row = _row(seen.mask, len(ours))
            counts = ours[row].astype(np.float64).std(axis=0)
        else:
            apart = np.nan_to_num(np.abs(ours.astype(np.float64) - theirs))
            row = int(apart.max(axis=(1, 2)).argmax())
            counts = apart[row].max(axis=0)
    best = np.argsort(-np.nan_to_num(counts), kind="stable")[:UNITS]
    masked = None
    if seen.mask is not None and seen.mask.ndim == 2 and not seen.mask[row, part].all():
        masked = (~seen.mask[row, part]).tolist()
    units = tuple(sorted(best.tolist()))
    return States(case, seen, row, units, part, theirs, ours, masked)


def _row(mask: Array | None, rows: int) -> int:
    """The first row with masked steps among others; else the first."""
    if mask is None or mask.ndim != 2 or len(mask) != rows:
        return 0
    mixed = mask.any(axis=1) & ~mask.all(axis=1)
    return int(np.argmax(mixed))


def _shown(own: States) -> Iterator[Markup]:
    """The plots of one layer."""
    last_only = np.isnan(own.theirs[own.row, :-1]).all()
    said = f"{short_name(own.seen.kind)}, {own.case.name}, row {own.row}"
    steps = own.seen.inputs[0].shape[1]
    if len(own.steps) < steps:
        which = "last" if own.steps.start else "first"
        said += f", the {which} {len(own.steps)} of {steps:,} steps"
    if last_only:
        said += "; Keras gives the last state only, the dot: the line is the runtime's"
    yield element("h3", name(own.seen.name))
    yield note(f"{said}.")
    plots = []
    for unit in own.units:
        theirs, ours = (x[own.row, :, unit].tolist() for x in (own.theirs, own.ours))
        series = [
            Series("state last" if last_only else "state", theirs),
            Series("runtime", ours),
        ]
        label = (
            f"Unit {unit} of {short_name(own.seen.name)} over {len(ours)} steps: at "
            f"the end Keras {theirs[-1]:.6g}, the runtime {ours[-1]:.6g}"
        )
        plot = lines(series, label, first=own.steps.start, masked=own.masked)
        plots.append(element("div", element("h4", f"unit {unit}"), plot))
    yield element("div", *plots, class_="plots")
