"""The sections on gates, equations, meaning, and reasons for a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.errors import WAYS_ON
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

# The most kinds of gates, layers of one kind, and problems in a page.
_MOST_GATES, _MOST_LAYERS, _MOST_PROBLEMS = 24, 6, 200
# The most letters of a sentence with names from a file.
_LONGEST = 600


def gates(report: Report) -> Iterator[Markup]:
    """The columns of each gate in the weights of recurrent layers."""
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
    """The gates of one layer, and of others of the same kind."""
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
    """A row of blocks, one for each gate, for every weight and every row of a bias."""
    blocks = []
    for gate, (start, stop) in cell.columns.items():
        columns = str(start) if stop == start + 1 else f"{start}–{stop - 1}"
        blocks.append(element("span", element("b", gate), element("small", columns)))
    rows = {"kernel": cell.features, "recurrent_kernel": cell.units}
    for weight, shape in cell.shapes.items():
        labels = [shape_text(shape)]
        if weight == "bias" and cell.bias_rows:
            labels = [f"row {i}, {text}" for i, text in enumerate(cell.bias_rows)]
        # The height grows slowly with the number of rows.
        height = 2.3 + min(rows.get(weight, 1), 256) ** 0.5 / 8
        for label in labels:
            yield element("div", weight, element("small", label))
            style = f"min-height:{height:.2f}rem"
            yield element("div", *blocks, class_="row", style=style)


def meaning_sections(report: Report) -> Iterator[Section]:
    """The sections of gates and of meaning, unless they are empty."""
    if report.gates:
        yield "gates", "Gates", gates(report)
    if report.meaning:
        intro = element("p", "The choices made where generations of Keras differ.")
        items = [_item(text, sentence=True) for text in report.meaning]
        yield "meaning", "Meaning", [intro, element("ul", *items)]


def _item(text: str, *, sentence: bool = False) -> Markup:
    """An item of a list; its text may hold a list too, of lines that begin with -.

    Args:
        text: of the item.
        sentence: add a capital, unless it begins with a name of code, and a full stop.
    """
    head, *lines = text.splitlines() or [""]
    head = shorten(head, _LONGEST)
    if sentence:
        first = head.partition(" ")[0]
        head = head[:1].upper() + head[1:] if first.isalpha() else head
        head += "" if lines else "."
    items = [
        element("li", shorten(line.removeprefix("  - "), _LONGEST)) for line in lines
    ]
    return element("li", head, element("ul", *items) if items else None)


def problems(report: Report) -> Iterator[Markup]:
    """The reasons why a model cannot be converted."""
    texts = [str(problem) for problem in report.problems] or [report.refusal or ""]
    yield element("ul", *(_item(text) for text in texts[:_MOST_PROBLEMS]))
    if len(texts) > _MOST_PROBLEMS:
        yield note(f"And {len(texts) - _MOST_PROBLEMS} more: gru2np inspect lists all.")
    if report.problems:
        yield element("p", WAYS_ON)
    yield element(
        "p", "This page shows the contents of the file; the model did not run."
    )
