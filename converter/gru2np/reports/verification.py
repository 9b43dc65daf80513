"""The sections of a verification: verdict, errors of outputs and layers, cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.reports.blocks import AT_ONCE, MOST, note, several_lines, tables
from gru2np.reports.markup import Markup, element, join, name, percent, short_name
from gru2np.reports.plots import KEYS, LogAxis, legend
from gru2np.text import difference, plural, shorten
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.reports.blocks import Column, Row
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification

# The most notes, names in a list, and outputs in the verdict.
_MOST_NOTES, _MOST_NAMES, _MOST_WRONG = 40, 12, 5
_LONGEST_WHY = 300
_ROUNDING = (
    "Rounding: the difference is larger than allowed, but Keras and the runtime are "
    "about equally far from float64, or no further than last digits of the inputs "
    "move the result. Neither is wrong."
)


def word(verification: Verification) -> str:
    """The verdict as one word."""
    return "Agrees" if verification.agrees else "Differs"


def verdict(verification: Verification) -> Markup:
    """Whether it agrees, the largest difference, and the first layer that differs."""
    lines = [element("p", *line) for line in _verdict_lines(verification)]
    compared = f"{verification.reference} and {verification.runtime}"
    lines.append(element("p", f"Compared: {compared}.", class_="muted"))
    kind = "verdict" if verification.agrees else "verdict differ"
    return element("div", element("strong", word(verification)), *lines, class_=kind)


def _verdict_lines(verification: Verification) -> Iterator[list[Markup | str]]:
    count = plural(len(verification.outputs), "output")
    if len(verification.evidence.cases) > 1:
        count += f", {plural(len(verification.evidence.cases), 'set')} of inputs"
    if verification.agrees:
        yield [
            f"{count}: largest difference ",
            _of_allowed(verification.worst),
            " allowed.",
        ]
    else:
        wrong = [output for output in verification.outputs if not output.agrees]
        yield [f"{len(wrong)} of {count}."]
        for output in wrong[:_MOST_WRONG]:
            yield [name(output.name), f": {shorten(output.why, _LONGEST_WHY)}."]
    first = verification.first_difference
    if first is not None:
        why = shorten(first.why, _LONGEST_WHY)
        where = f" ({short_name(first.kind)}), case {first.case}: {why}."
        layer = element("b", name(first.name))
        yield ["The first layer that differs is ", layer, where]


def notes(verification: Verification) -> Iterator[tuple[str, Markup | str]]:
    """Labels and texts: notes, and what an agreement does not prove."""
    if verification.run_as is not None:
        yield "In Keras", shorten(verification.run_as, 1200)
    for text in verification.notes[:_MOST_NOTES]:
        lines = text.splitlines()[:_MOST_NAMES]
        yield "Note", several_lines(shorten(line, 600) for line in lines)
    if verification.assumptions:
        yield "Both assume", shorten("; ".join(verification.assumptions), 1200)
    if verification.missed:
        yield "No case reached", shorten("; ".join(verification.missed), 1200)
    missing = verification.not_compared
    if missing:
        names = [short_name(path, 40) for path in missing[:_MOST_NAMES]]
        if len(missing) > _MOST_NAMES:
            names.append(f"and {len(missing) - _MOST_NAMES} more")
        yield "Not compared", ", ".join(names)


def outputs(verification: Verification) -> Iterator[Markup]:
    """The error of every output, and its position."""
    yield from _errors(verification.outputs, "output")
    head: list[Column] = [
        ("Output", ""),
        ("At", ""),
        ("Here", "n"),
        ("Expected", "n"),
    ]
    rows = [
        [name(x.name), str(list(x.at or ())), _value(x.value), _value(x.expected)]
        for x in verification.outputs
        if x.at is not None and x.largest
    ]
    if rows:
        yield note("The largest differences:")
        yield from tables("output", head, rows, len(rows))


def _value(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, (bool, int)) else f"{value:.9g}"


def layer_errors(layers: Sequence[Comparison]) -> Iterator[Markup]:
    """The error of every layer, with the inputs that it had in Keras."""
    text = (
        "Every layer got the inputs that it had in Keras, so a difference is the error "
        "of that layer alone."
    )
    if len(layers) > AT_ONCE:
        layers = sorted(layers, key=lambda layer: layer.badness, reverse=True)
        text += " The largest differences come first."
    yield element("p", text)
    yield from _errors(layers, "layer")
    if any(layer.verdict == "rounding" for layer in layers):
        yield note(_ROUNDING)


def _errors(compared: Sequence[Comparison], noun: str) -> Iterator[Markup]:
    """A legend and a table with a row for each comparison.

    Args:
        compared: at least one.
        noun: what a row is.
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
        join([_of_allowed(error), verdict]),
    ]


def _bar(error: Comparison, axis: LogAxis) -> Markup:
    """A bar for the difference, a line at the bound, dots for errors to float64."""
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
        label += f"; distance from float64: Keras {difference(theirs)}"
        label += f", the runtime {difference(ours)}"
    return element("svg", element("title", label), *shapes, class_="strip", role="img")


def _line(position: float, kind: str) -> Markup:
    x = percent(position)
    return element("line", x1=x, x2=x, y1="0", y2="100%", class_=kind)


def node_notes(verification: Verification) -> dict[str, tuple[str, str]]:
    """For each node, the verdict and a line for its box in the drawing."""
    worst: dict[str, Comparison] = {}
    for layer in verification.layers or ():
        # With several outputs, a number in brackets follows the name.
        node = layer.name.rpartition(" [")[0] or layer.name
        if node not in worst or layer.badness > worst[node].badness:
            worst[node] = layer
    return {
        node: (x.verdict, f"{difference(x.largest)} of {difference(x.tolerance)}")
        for node, x in worst.items()
    }


def cases(verification: Verification) -> Iterator[Markup]:
    """A table of the cases."""
    head: list[Column] = [
        ("Case", ""),
        ("Inputs", "wide"),
        ("Difference", "n"),
        ("Verdict", "n"),
    ]
    every = verification.evidence.cases
    yield from tables("case", head, [_case(x) for x in every[:MOST]], len(every))
    if verification.drawn is not None:
        seed = f"Drawn with seed {verification.drawn}"
        yield note(f"{seed}; the same seed draws the same numbers.")


def _case(case: Case) -> Row:
    shapes = ", ".join(
        f"{short_name(key, 30)} {shape_text(x.shape)} {x.dtype.name}"
        for key, x in list(case.inputs.items())[:_MOST_NAMES]
    )
    calls = f", in {case.calls} calls" if case.calls > 1 else ""
    worst = max(case.compared, key=lambda output: output.badness)
    return [
        name(case.name),
        join([case.description, element("small", shapes + calls)]),
        _of_allowed(worst),
        element("span", worst.verdict, class_=worst.verdict),
    ]


def _of_allowed(error: Comparison) -> Markup:
    """A difference and its bound."""
    bound = element("span", f" of {difference(error.tolerance)}", class_="muted")
    return element("span", element("b", difference(error.largest)), bound)
