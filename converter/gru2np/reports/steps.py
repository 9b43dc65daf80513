"""The section of errors step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.reports.markup import Markup, element, name, short_name
from gru2np.reports.plots import KEYS, Series, legend, lines
from gru2np.reports.telling import (
    are_steps,
    by_steps,
    comparison,
    recurrent,
    telling,
    weight,
)
from gru2np.text import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from gru2np.inspection.report import Opened
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case, Evidence

    Array = NDArray[Any]

# Plots of more layers are no longer looked at.
MOST_PLOTS = 6
# Errors of longer sequences are shown as the largest of neighbouring steps.
MOST_POINTS = 500


def errors(evidence: Evidence, own: Opened) -> list[Markup]:
    """The section; nothing where there are no steps."""
    plots = [*_of_outputs(evidence), *_of_layers(evidence, own)][:MOST_PLOTS]
    if not plots:
        return []
    shown = dict.fromkeys(kind for _, kinds in plots for kind in kinds)
    return [
        element(
            "p",
            "The largest difference at each step, over all rows and units: of outputs "
            "from end to end, of layers each by itself.",
        ),
        legend((kind, KEYS[kind]) for kind in shown),
        element("div", *(plot for plot, _ in plots), class_="plots wide"),
    ]


def _of_outputs(evidence: Evidence) -> Iterator[tuple[Markup, list[str]]]:
    for i, own in enumerate(evidence.cases[0].outputs):
        cases = [case for case in evidence.cases if _is_sequence(case, own)]
        if cases:
            case = max(
                cases,
                key=lambda case: weight(case.compared[i], case.outputs[own].shape[1]),
            )
            found = {"error": by_step(case.outputs[own], case.expected[own])}
            yield _plot(own, f"output, {case.name}", found, case.compared[i])


def _is_sequence(case: Case, output: str) -> bool:
    """Whether axis 1 of an output is that of an input of the model: its time."""
    ours, theirs = case.outputs[output], case.expected[output]
    lengths = {x.shape[1] for x in case.inputs.values() if x.ndim > 1}
    return are_steps(ours, theirs) and ours.shape[1] in lengths


def _of_layers(evidence: Evidence, own: Opened) -> Iterator[tuple[Markup, list[str]]]:
    for node in recurrent(evidence, own):
        kept = telling(evidence, node, by_steps(own.graph.layers[node.layer]))
        if kept is None:
            continue
        case, seen = kept
        theirs, ours = seen.theirs[0], seen.ours[0]
        found = {"error": by_step(ours, theirs)}
        if seen.exact:
            found["keras"] = by_step(theirs, seen.exact[0])
            found["runtime"] = by_step(ours, seen.exact[0])
        compared = comparison(case, node.name)
        yield _plot(node.name, f"layer, {case.name}", found, compared)


def by_step(ours: Array, theirs: Array) -> Array:
    """The largest difference at every step, over all axes but 1."""
    axes = (0, *range(2, ours.ndim))
    with np.errstate(invalid="ignore", over="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        apart = np.abs(ours.astype(np.float64) - theirs)
    apart = np.where(same, 0.0, apart)
    apart[np.isnan(apart)] = np.inf
    largest: Array = apart.max(axis=axes)
    return largest


def thinned(values: Array) -> Array:
    """No more points than a line needs: the largest of neighbouring steps."""
    if len(values) <= MOST_POINTS:
        return values
    width = -(-len(values) // MOST_POINTS)
    found: Array = np.maximum.reduceat(values, np.arange(0, len(values), width))
    return found


def _plot(
    path: str, details: str, found: Mapping[str, Array], compared: Comparison | None
) -> tuple[Markup, list[str]]:
    """A plot with its title, and the kinds of its lines."""
    steps = len(found["error"])
    series = [Series(kind, thinned(own).tolist()) for kind, own in found.items()]
    if compared is not None:
        bound = [compared.tolerance] * len(series[0].values)
        series.append(Series("bound", bound))
    largest = difference(float(found["error"].max()))
    said = f"{short_name(path)}: at most {largest} at any step"
    small = element("small", f"{details}, {steps:,} steps")
    plot = lines(series, said, log=True, last=steps - 1)
    title = element("h3", name(path, 40), small)
    return element("div", title, plot), [own.kind for own in series]
