"""The sections over time: errors by time step, and hidden states."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.reports.blocks import note
from gru2np.reports.markup import Markup, element, name, short_name
from gru2np.reports.plots import KEYS, Series, legend, lines
from gru2np.text import difference
from gru2np_runtime import Gru2npError
from gru2np_runtime.run.dispatch import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.inspection.inspect import Opened
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case, Evidence, NodeEvidence

    Array = NDArray[Any]
    # A plot, and the CSS classes of its lines.
    _Plot = tuple[Markup, list[str]]

# The most plots of errors, layers with states, and units of a layer in a page.
MOST_PLOTS, MOST_LAYERS, UNITS = 6, 4, 3
# In longer sequences a point is the largest error of neighbouring steps.
MOST_POINTS = 500
# The most steps of hidden states.
MOST_STEPS = 400


def errors_by_step(evidence: Evidence, opened: Opened) -> list[Markup]:
    """The section of errors by time step; empty if there are no steps."""
    every = chain(_output_errors(evidence), _layer_errors(evidence, opened))
    plots = list(islice(every, MOST_PLOTS))
    if not plots:
        return []
    shown = dict.fromkeys(kind for _, kinds in plots for kind in kinds)
    text = (
        "The largest difference at each step, over all rows and units. An output shows "
        "the error of the whole model, a layer only its own."
    )
    return [
        element("p", text),
        legend((kind, KEYS[kind]) for kind in shown),
        element("div", *(plot for plot, _ in plots), class_="plots wide"),
    ]


def _output_errors(evidence: Evidence) -> Iterator[_Plot]:
    for i, output in enumerate(evidence.cases[0].outputs):
        cases = [case for case in evidence.cases if _is_sequence(case, output)]
        if cases:
            case = max(
                cases,
                key=lambda x: (_badness(x.compared[i]), x.outputs[output].shape[1]),
            )
            errors = {"error": by_step(case.outputs[output], case.expected[output])}
            details = f"output, {case.name}"
            yield _error_plot(output, details, errors, case.compared[i])


def _is_sequence(case: Case, output: str) -> bool:
    """Whether axis 1 of an output is time: as long as axis 1 of an input."""
    ours, theirs = case.outputs[output], case.expected[output]
    times = {x.shape[1] for x in case.inputs.values() if x.ndim > 1}
    return _have_steps(ours, theirs) and ours.shape[1] in times


def _have_steps(ours: Array, theirs: Array) -> bool:
    """Whether axis 1 of two arrays has time steps to compare."""
    fits = ours.shape == theirs.shape and ours.ndim > 2 and ours.dtype.kind == "f"
    return fits and ours.size > 0 and ours.shape[1] > 1


def _layer_errors(evidence: Evidence, opened: Opened) -> Iterator[_Plot]:
    for case, seen, compared in _recurrent(evidence, opened):
        ours, theirs = seen.ours[0], seen.theirs[0]
        if not _have_steps(ours, theirs):
            continue
        errors = {"error": by_step(ours, theirs)}
        if seen.exact:
            errors["keras"] = by_step(theirs, seen.exact[0])
            errors["runtime"] = by_step(ours, seen.exact[0])
        yield _error_plot(seen.name, f"layer, {case.name}", errors, compared)


def by_step(ours: Array, theirs: Array) -> Array:
    """The largest difference at every step, over all axes except 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        error = np.where(same, 0.0, np.abs(ours.astype(np.float64) - theirs))
    error[np.isnan(error)] = np.inf
    largest: Array = error.max(axis=(0, *range(2, ours.ndim)))
    return largest


def thinned(values: Array) -> Array:
    """At most ``MOST_POINTS`` values: each the largest of neighbouring steps."""
    width = -(-len(values) // MOST_POINTS)
    largest: Array = np.maximum.reduceat(values, np.arange(0, len(values), width))
    return largest


def _error_plot(
    path: str,
    details: str,
    errors: Mapping[str, Array],
    compared: Comparison | None,
) -> _Plot:
    """A plot with its title, and the CSS classes of its lines."""
    steps = len(errors["error"])
    series = [Series(kind, thinned(error).tolist()) for kind, error in errors.items()]
    if compared is not None:
        bound = [compared.tolerance] * len(series[0].values)
        series.append(Series("bound", bound))
    largest = difference(float(errors["error"].max()))
    label = f"{short_name(path)}: at most {largest} at any step"
    plot = lines(series, label, log=True, steps=range(steps))
    small = element("small", f"{details}, {steps:,} steps")
    title = element("h3", name(path, 40), small)
    return element("div", title, plot), [line.kind for line in series]


def _recurrent(
    evidence: Evidence, opened: Opened
) -> list[tuple[Case, NodeEvidence, Comparison | None]]:
    """Recurrent layers in the order they run, those that differ first.

    Each comes in the case in which it differs most, else in the one with the longest
    sequences, and with the comparison of its first output.
    """
    shapes, _ = opened.graph.infer_nodes()
    layers = []
    for node in opened.graph.nodes:
        layer, (source, index) = opened.graph.layers[node.layer], node.inputs[0]
        states = layer.state_shapes(shapes[source][index])
        names = (node.name, f"{node.name} [0]")
        cases = [
            (case, seen, next((x for x in case.layers or () if x.name in names), None))
            for case in evidence.cases
            for seen in case.nodes
            if seen.name == node.name and _reads_steps(seen)
        ]
        # Only states (batch, units), not images; and only with time on axis 1.
        of_units = states and all(len(shape) == 2 for shape in states)
        if cases and of_units and not getattr(layer, "time_major", False):
            layers.append(max(cases, key=lambda x: (_badness(x[2]), _steps(x[1]))))
    return sorted(layers, key=lambda x: not _badness(x[2])[0])


def _reads_steps(seen: NodeEvidence) -> bool:
    x = seen.inputs[0]
    return x.ndim == 3 and x.size > 0 and _steps(seen) > 1


def _steps(seen: NodeEvidence) -> int:
    return int(seen.inputs[0].shape[1])


def _badness(compared: Comparison | None) -> tuple[bool, float]:
    """``Comparison.badness``, but the same for all that agree."""
    if compared is None or compared.agrees:
        return False, 0.0
    return compared.badness


def states(evidence: Evidence, opened: Opened) -> list[Markup]:
    """The section of hidden states; empty if there is no layer to show."""
    layers = (
        (case, whole, compared)
        for case, seen, compared in _recurrent(evidence, opened)
        if (whole := _with_steps(seen, opened)) is not None
    )
    shown = [x for layer in islice(layers, MOST_LAYERS) for x in _states(*layer)]
    if not shown:
        return []
    keys = [("state", "Keras"), ("runtime", "gru2np_runtime")]
    if any('class="mask"' in markup for markup in shown):
        keys.append(("mask", "masked step"))
    text = (
        "Both have the same state where the thin line is inside the broad one. The "
        "units are those that change most, or if a layer differs those that differ "
        "most."
    )
    return [element("p", text), legend(keys), *shown]


def _with_steps(seen: NodeEvidence, opened: Opened) -> NodeEvidence | None:
    """The layer with outputs at every step; None if they cannot be computed.

    If the layer gives only its last state, the runtime computes the earlier ones, and
    those of Keras are NaN.
    """
    if _have_steps(seen.ours[0], seen.theirs[0]):
        return seen
    path = next(x.layer for x in opened.graph.nodes if x.name == seen.name)
    layer, prefix = opened.graph.layers[path], f"{path}/"
    # Its states from an earlier call, or those of layers inside, are not recorded.
    if layer.layers or getattr(layer, "stateful", False):
        return None
    weights = {
        key.removeprefix(prefix): opened.read(key).astype(layer.dtype, copy=False)
        for key in opened.paths
        if key.startswith(prefix)
    }
    attributes = {**layer.attributes(), "return_sequences": True, "return_state": False}
    try:
        plan = make_plan(type(layer)(**attributes), weights, fast=False)
        (ours,) = plan.run(seen.inputs, seen.mask)
    except (Gru2npError, TypeError, ValueError):
        return None
    if seen.theirs[0].shape != ours[:, -1].shape:
        return None
    theirs = np.full(ours.shape, np.nan, np.float64)
    theirs[:, -1] = seen.theirs[0]
    return replace(seen, ours=(ours,), theirs=(theirs,))


def _states(
    case: Case, seen: NodeEvidence, compared: Comparison | None
) -> Iterator[Markup]:
    """A title, a note, and plots of some units in one row of a case."""
    ours, theirs = (x.reshape(*x.shape[:2], -1) for x in (seen.ours[0], seen.theirs[0]))
    last_only, steps = bool(np.isnan(theirs[:, 0]).all()), ours.shape[1]
    # If only the last step can be compared, the last steps are shown.
    first = max(steps - MOST_STEPS, 0) if last_only else 0
    part = range(first, min(first + MOST_STEPS, steps))
    ours, theirs = ours[:, part], theirs[:, part]
    row, units = _row_and_units(compared, seen.mask, ours, theirs)
    masked = None
    if seen.mask is not None and seen.mask.ndim == 2 and not seen.mask[row, part].all():
        masked = (~seen.mask[row, part]).tolist()
    text = f"{short_name(seen.kind)}, {case.name}, row {row}"
    if len(part) < steps:
        text += f", the {'last' if first else 'first'} {len(part)} of {steps:,} steps"
    if last_only:
        text += "; Keras gives only the last state, the dot; the line is the runtime's"
    yield element("h3", name(seen.name))
    yield note(f"{text}.")
    kind = "state last" if last_only else "state"
    plots = []
    for unit in units:
        series = [
            Series(kind, theirs[row, :, unit].tolist()),
            Series("runtime", ours[row, :, unit].tolist()),
        ]
        label = _unit_label(f"Unit {unit} of {short_name(seen.name)}", series)
        plot = lines(series, label, steps=part, masked=masked)
        plots.append(element("div", element("h4", f"unit {unit}"), plot))
    yield element("div", *plots, class_="plots")


def _unit_label(unit: str, series: Sequence[Series]) -> str:
    keras, runtime = (line.values[-1] for line in series)
    return (
        f"{unit} over {len(series[0].values)} steps: at the end Keras {keras:.6g}, "
        f"the runtime {runtime:.6g}"
    )


def _row_and_units(
    compared: Comparison | None, mask: Array | None, ours: Array, theirs: Array
) -> tuple[int, list[int]]:
    """The units that differ most if the layer differs; else those that change most.

    Args:
        compared: the comparison of the layer.
        mask: its mask, (batch, time); None without a mask.
        ours: the runtime's states, (batch, time, units).
        theirs: Keras' states.
    """
    differs = compared is not None and not compared.agrees
    with np.errstate(invalid="ignore", over="ignore"):
        change = ours.astype(np.float64).std(axis=1)
        error = np.nan_to_num(np.abs(ours.astype(np.float64) - theirs)).max(axis=1)
    scores = error if differs else np.nan_to_num(change)
    row = int(scores.max(axis=1).argmax())
    if not differs and mask is not None and mask.ndim == 2:
        # A row with masked and other steps, if there is one.
        mixed = mask.any(axis=1) & ~mask.all(axis=1)
        row = int(mixed.argmax()) if mixed.any() else row
    largest = np.argsort(-scores[row], kind="stable")[:UNITS]
    return row, sorted(largest.tolist())
