"""The sections on what the numbers mean: gates, equations, what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.inspection.render import RESET_AFTER
from gru2np.reports.blocks import note
from gru2np.reports.markup import Markup, element, join, name
from gru2np.text import plural, shorten
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.inspection.gates import Gates
    from gru2np.inspection.report import Report
    from gru2np.reports.frame import Part

MOST_GATES, _MOST_PROBLEMS = 24, 200
# Letters of a sentence that names what is in a file.
_LONGEST = 600


def gates(report: Report) -> Iterator[Markup]:
    """Which columns of the weights of recurrent layers are which gate."""
    kinds: dict[tuple[object, ...], list[Gates]] = {}
    for cell in report.gates:
        layout = (cell.class_name, cell.units, cell.equations, *cell.shapes.items())
        kinds.setdefault(layout, []).append(cell)
    for cells in list(kinds.values())[:MOST_GATES]:
        cell = cells[0]
        shown = [name(own.layer) for own in cells[:6]]
        names = join(
            part for i, own in enumerate(shown) for part in ((", " if i else ""), own)
        )
        more = f" and {len(cells) - 6} more" if len(cells) > 6 else ""
        yield element("h3", names, more)
        features = plural(cell.features, "feature")
        yield element(
            "p", f"{cell.class_name}, {plural(cell.units, 'unit')}, {features}"
        )
        yield _columns(cell)
        if cell.reset_after is not None:
            yield note(RESET_AFTER[cell.reset_after])
        lines = (element("span", line) for line in cell.equations)
        yield element("pre", *lines, class_="equations")
    if len(kinds) > MOST_GATES:
        left = plural(len(kinds) - MOST_GATES, "more layout")
        yield note(f"And {left}.")
    yield note(
        "In the equations x is the input of a step, h the state, W the kernel, U the "
        "recurrent_kernel and b the bias; the letter behind them is the gate whose "
        "columns are taken, and * goes number by number."
    )


def _columns(cell: Gates) -> Markup:
    rows = []
    heights = {"kernel": cell.features, "recurrent_kernel": cell.units}
    for weight, shape in cell.shapes.items():
        # Taller where there are more rows, yet a row of one can be read.
        tall = 2.3 + min(heights.get(weight, 1), 256) ** 0.5 / 8
        two = weight == "bias" and bool(cell.bias_rows)
        for i in range(2 if two else 1):
            label = [element("small", shape_text(shape))]
            if two:
                label = [element("small", f"row {i}, {cell.bias_rows[i]}")]
            blocks = [
                element("span", element("b", gate), element("small", _range(*columns)))
                for gate, columns in cell.columns.items()
            ]
            rows.append(element("div", weight, *label))
            rows.append(
                element("div", *blocks, class_="row", style=f"min-height:{tall:.2f}rem")
            )
    said = ", ".join(f"{gate} {meaning}" for gate, meaning in cell.names.items())
    return join([element("div", *rows, class_="gates"), note(f"Columns: {said}.")])


def _range(start: int, stop: int) -> str:
    return str(start) if stop == start + 1 else f"{start}–{stop - 1}"


def meaning_parts(report: Report) -> Iterator[Part]:
    """The sections of gates and of meaning, where there is something to say."""
    if report.gates:
        yield "gates", "Gates", gates(report)
    if report.meaning:
        intro = element("p", "Where generations of Keras differ, this was chosen.")
        items = [element("li", _sentence(text)) for text in report.meaning]
        yield "meaning", "Meaning", [intro, element("ul", *items)]


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name of code."""
    text = shorten(text, _LONGEST)
    first = text.partition(" ")[0]
    return (text[:1].upper() + text[1:] if first.isalpha() else text) + "."


def problems(report: Report) -> Iterator[Markup]:
    """What stands in the way of a model that cannot be converted."""
    found = [str(problem) for problem in report.problems] or [report.refusal or ""]
    items = [element("li", shorten(text, _LONGEST)) for text in found[:_MOST_PROBLEMS]]
    yield element("ul", *items)
    if len(found) > _MOST_PROBLEMS:
        yield note(f"And {len(found) - _MOST_PROBLEMS} more: gru2np inspect lists all.")
    yield element(
        "p", "What stands here is read from the file; its numbers are not run."
    )
