"""The sections on what the numbers mean: gates, equations, what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.inspection.render import NOTATION, RESET_AFTER
from gru2np.reports.blocks import note
from gru2np.reports.markup import Markup, element, name
from gru2np.text import plural, shorten
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.inspection.gates import Gates
    from gru2np.inspection.inspect import Report
    from gru2np.reports.blocks import Section

# A page shows no more than these: different gates, layers of the same, problems.
_MOST_GATES, _MOST_LAYERS, _MOST_PROBLEMS = 24, 6, 200
# Letters of a sentence that names what is in a file.
_LONGEST = 600


def gates(report: Report) -> Iterator[Markup]:
    """Which columns of the weights of recurrent layers are which gate."""
    kinds: dict[tuple[object, ...], list[Gates]] = {}
    for cell in report.gates:
        kind = (cell.class_name, cell.units, cell.equations, *cell.shapes.items())
        kinds.setdefault(kind, []).append(cell)
    for cells in list(kinds.values())[:_MOST_GATES]:
        yield from _gates(cells[0], [cell.layer for cell in cells])
    if len(kinds) > _MOST_GATES:
        yield note(f"And {len(kinds) - _MOST_GATES} more: gru2np inspect lists all.")
    yield note(NOTATION)


def _gates(cell: Gates, layers: list[str]) -> Iterator[Markup]:
    """The gates of one layer, and of others that have the same."""
    names: list[Markup | str] = [name(layers[0])]
    for layer in layers[1:_MOST_LAYERS]:
        names += [", ", name(layer)]
    if len(layers) > _MOST_LAYERS:
        names.append(f" and {len(layers) - _MOST_LAYERS} more")
    yield element("h3", *names)
    sizes = f"{plural(cell.units, 'unit')}, {plural(cell.features, 'feature')}"
    yield element("p", f"{cell.class_name}, {sizes}")
    yield element("div", *_columns(cell), class_="gates")
    meanings = ", ".join(f"{gate} {meaning}" for gate, meaning in cell.names.items())
    yield note(f"Columns: {meanings}.")
    if cell.reset_after is not None:
        yield note(RESET_AFTER[cell.reset_after])
    lines = (element("span", line) for line in cell.equations)
    yield element("pre", *lines, class_="equations")


def _columns(cell: Gates) -> Iterator[Markup]:
    """A row of blocks, one a gate, for every weight and every row of a bias."""
    blocks = []
    for gate, (start, stop) in cell.columns.items():
        columns = str(start) if stop == start + 1 else f"{start}–{stop - 1}"
        blocks.append(element("span", element("b", gate), element("small", columns)))
    rows = {"kernel": cell.features, "recurrent_kernel": cell.units}
    for weight, shape in cell.shapes.items():
        labels = [shape_text(shape)]
        if weight == "bias" and cell.bias_rows:
            labels = [f"row {i}, {text}" for i, text in enumerate(cell.bias_rows)]
        # Taller where there are more rows, yet a row of one can be read.
        height = 2.3 + min(rows.get(weight, 1), 256) ** 0.5 / 8
        for label in labels:
            yield element("div", weight, element("small", label))
            style = f"min-height:{height:.2f}rem"
            yield element("div", *blocks, class_="row", style=style)


def meaning_sections(report: Report) -> Iterator[Section]:
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
    """Why a model cannot be converted."""
    texts = [str(problem) for problem in report.problems] or [report.refusal or ""]
    items = [element("li", shorten(text, _LONGEST)) for text in texts[:_MOST_PROBLEMS]]
    yield element("ul", *items)
    if len(texts) > _MOST_PROBLEMS:
        yield note(f"And {len(texts) - _MOST_PROBLEMS} more: gru2np inspect lists all.")
    yield element("p", "This page shows what the file says; nothing of it was run.")
