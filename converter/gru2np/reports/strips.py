"""Differences as rows of one logarithmic axis: the bound, and how near it they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.reports.markup import Markup, element, name, number, short_name
from gru2np.reports.plots import KEYS, LogAxis, legend, power
from gru2np.text import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.verification.comparison import Comparison


def strips(compared: Sequence[Comparison], what: str) -> Iterator[Markup]:
    """A row for each comparison, all on one axis.

    Args:
        compared: at least one.
        what: a row stands for.
    """
    third = [own.float64 for own in compared if own.float64 is not None]
    numbers = [n for own in compared for n in (own.largest, own.tolerance)]
    numbers += [n for own in third for n in (own.theirs, own.ours)]
    axis = LogAxis(numbers)
    shown = ["bar", "keras", "runtime", "bound"] if third else ["bar", "bound"]
    yield legend((f"mark {kind}", KEYS[kind]) for kind in shown)
    head = _cells(
        "columnheader",
        element("span", what.capitalize()),
        _decades(axis),
        element("span", "of allowed"),
    )
    rows = [element("div", *head, class_="row head", role="row")]
    rows += [_row(own, axis) for own in compared]
    yield element(
        "div", *rows, class_="strips", role="table", aria_label=f"Errors by {what}"
    )


def _cells(role: str, first: Markup, track: Markup, last: Markup) -> Iterator[Markup]:
    yield element("div", first, class_="name", role=role)
    yield element("div", track, class_="track", role=role)
    yield element("div", last, class_="value", role=role)


def _row(own: Comparison, axis: LogAxis) -> Markup:
    details = [part for part in (short_name(own.kind, 30), own.case) if part]
    small = element("small", ", ".join(details)) if details else None
    cells = _cells(
        "cell",
        element("span", name(own.name, 40), small),
        _strip(own, axis),
        element(
            "span",
            of_allowed(own.largest, own.tolerance),
            element("small", own.verdict, class_=own.verdict),
        ),
    )
    return element("div", *cells, class_="row", role="row")


def _strip(own: Comparison, axis: LogAxis) -> Markup:
    """A bar to the difference, a line at the bound, a dot for each side to float64."""
    wrong = " differ" if own.verdict == "differ" else ""
    said = f"{difference(own.largest)} of {difference(own.tolerance)} allowed"
    shapes = [_line(axis.at(10.0**decade), "tick") for decade in axis.decades()]
    long = _percent(axis.at(own.largest))
    shapes.append(
        element("rect", y="41%", width=long, height="18%", class_=f"bar{wrong}")
    )
    shapes.append(_line(axis.at(own.tolerance), "bound"))
    if own.float64 is not None:
        theirs, ours = own.float64.theirs, own.float64.ours
        for kind, value in (("keras", theirs), ("runtime", ours)):
            if value > 0:
                x = _percent(axis.at(value))
                shapes.append(element("circle", cx=x, cy="50%", r="4", class_=kind))
        said += (
            f"; from float64 Keras is {difference(theirs)}, "
            f"the runtime {difference(ours)}"
        )
    return element("svg", element("title", said), *shapes, class_="strip", role="img")


def _percent(place: float) -> str:
    return f"{number(100 * place)}%"


def _line(place: float, kind: str) -> Markup:
    x = _percent(place)
    return element("line", x1=x, x2=x, y1="0", y2="100%", class_=kind)


def _decades(axis: LogAxis) -> Markup:
    marks = [
        element("span", power(own), style=f"left:{_percent(axis.at(10.0**own))}")
        for own in axis.decades()
    ]
    return element("div", *marks, class_="decades", aria_hidden="true")


def of_allowed(value: float, allowed: float) -> Markup:
    """A difference and its bound, in numbers."""
    bound = element("span", f" of {difference(allowed)}", class_="muted")
    return element("span", element("b", difference(value)), bound)
