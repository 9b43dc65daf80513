"""Tables of errors: each difference as a bar on one logarithmic axis, and its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.reports.blocks import tables
from gru2np.reports.markup import Markup, element, join, name, percent, short_name
from gru2np.reports.plots import KEYS, LogAxis, legend
from gru2np.text import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.reports.blocks import Row
    from gru2np.verification.comparison import Comparison


def errors(compared: Sequence[Comparison], noun: str) -> Iterator[Markup]:
    """A legend and a table with a row for each comparison.

    Args:
        compared: at least one.
        noun: what a row stands for.
    """
    values = [x for error in compared for x in (error.largest, error.tolerance)]
    exact = [error.float64 for error in compared if error.float64 is not None]
    values += [x for float64 in exact for x in (float64.theirs, float64.ours)]
    axis = LogAxis(values)
    shown = ["bar", "keras", "runtime", "bound"] if exact else ["bar", "bound"]
    yield legend((f"mark {kind}", KEYS[kind]) for kind in shown)
    marks = [
        element("span", text, style=f"left:{percent(axis.at(value))}")
        for value, text in axis.marks
    ]
    decades = element("div", *marks, class_="decades", aria_hidden="true")
    head = [(noun.capitalize(), ""), (decades, "track"), ("of allowed", "n")]
    rows = [_row(error, axis) for error in compared]
    yield from tables(noun, head, rows, len(rows), kind="errors")


def _row(error: Comparison, axis: LogAxis) -> Row:
    details = ", ".join(filter(None, [short_name(error.kind, 30), error.case]))
    small = element("small", details) if details else None
    verdict = element("small", error.verdict, class_=error.verdict)
    return [
        join([name(error.name, 40), small]),
        _bar(error, axis),
        join([of_allowed(error), verdict]),
    ]


def _bar(error: Comparison, axis: LogAxis) -> Markup:
    """A bar to the difference, a line at the bound, a dot for each side to float64."""
    shapes = [_line(axis.at(value), "tick") for value, _ in axis.marks]
    kind = "bar differ" if error.verdict == "differ" else "bar"
    long = percent(axis.at(error.largest))
    shapes.append(element("rect", y="41%", width=long, height="18%", class_=kind))
    shapes.append(_line(axis.at(error.tolerance), "bound"))
    label = f"{difference(error.largest)} of {difference(error.tolerance)} allowed"
    if error.float64 is not None:
        theirs, ours = error.float64.theirs, error.float64.ours
        shapes += [
            element("circle", cx=percent(axis.at(x)), cy="50%", r="4", class_=kind)
            for kind, x in (("keras", theirs), ("runtime", ours))
            if x > 0
        ]
        label += f"; from float64 Keras is {difference(theirs)}"
        label += f", the runtime {difference(ours)}"
    return element("svg", element("title", label), *shapes, class_="strip", role="img")


def _line(place: float, kind: str) -> Markup:
    x = percent(place)
    return element("line", x1=x, x2=x, y1="0", y2="100%", class_=kind)


def of_allowed(error: Comparison) -> Markup:
    """A difference and its bound, in numbers."""
    bound = element("span", f" of {difference(error.tolerance)}", class_="muted")
    return element("span", element("b", difference(error.largest)), bound)
