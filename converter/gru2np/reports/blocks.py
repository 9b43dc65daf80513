"""The parts of sections: notes, labels with values, numbers, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.reports.markup import Markup, element, join
from gru2np.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Row = Sequence[Markup | str]
    # Title and CSS class of a column.
    Column = tuple[Markup | str, str]
    # Id, title and content of a section.
    Section = tuple[str, str, Iterable[Markup]]

# A table shows AT_ONCE rows; more are folded, and those after MOST are left out.
AT_ONCE, MOST = 60, 600


def note(text: str) -> Markup:
    """A remark in small letters."""
    return element("p", text, class_="note")


def facts(rows: Iterable[tuple[str, Markup | str]]) -> Markup:
    """Labels with their values."""
    pairs = [
        join([element("dt", label), element("dd", value)]) for label, value in rows
    ]
    return element("dl", *pairs, class_="facts")


def figures(rows: Iterable[tuple[str, str]]) -> Markup:
    """A few large numbers, each above its label."""
    boxes = [
        element("div", element("b", value), element("span", label))
        for value, label in rows
    ]
    return element("div", *boxes, class_="figures")


def several_lines(lines: Iterable[Markup | str]) -> Markup:
    """The lines, each below the one before."""
    first, *rest = list(lines) or [""]
    return join([first, *(join([element("br"), line]) for line in rest)])


def tables(
    noun: str,
    head: Sequence[Column],
    rows: Sequence[Row],
    count: int,
    kind: str | None = None,
) -> Iterator[Markup]:
    """A table of at most ``MOST`` rows; those after ``AT_ONCE`` are folded.

    Args:
        noun: what a row stands for.
        head: the columns; the first one names the row.
        rows: one cell per column; the first may be a whole ``th``.
        count: the number of all rows, with those that are not in ``rows``.
        kind: the CSS class of the table.
    """
    yield _table(f"{noun.capitalize()}s", head, rows[:AT_ONCE], kind)
    if count <= AT_ONCE:
        return
    rest = [_table(f"More {noun}s", head, rows[AT_ONCE:MOST], kind)]
    left = count - min(len(rows), MOST)
    if left:
        rest.append(note(f"And {plural(left, f'more {noun}')}: --json lists all."))
    summary = element("summary", plural(count - AT_ONCE, f"more {noun}"))
    yield element("details", summary, *rest)


def _table(
    caption: str, head: Sequence[Column], rows: Iterable[Row], kind: str | None
) -> Markup:
    """A table; on a narrow page each row becomes a card."""
    titles = [
        element("th", title, scope="col", role="columnheader", class_=class_ or None)
        for title, class_ in head
    ]
    body = []
    for first, *cells in rows:
        whole = isinstance(first, Markup) and first.startswith("<th")
        row = [first if whole else row_head(first), *map(_cell, cells, head[1:])]
        body.append(element("tr", *row, role="row"))
    # The style displays cells as blocks; the roles keep it a table for screen readers.
    return element(
        "table",
        element("thead", element("tr", *titles, role="row"), role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_=f"cards {kind}" if kind else "cards",
        role="table",
        aria_label=caption,
    )


def _cell(cell: Markup | str, column: Column) -> Markup:
    title, class_ = column
    classes = " ".join(filter(None, [class_, "" if cell else "empty"])) or None
    label = None if isinstance(title, Markup) else title
    return element("td", cell, role="cell", class_=classes, data_label=label)


def row_head(child: Markup | str, inside: bool = False) -> Markup:
    """The cell that names a row, indented for a layer inside another."""
    kind = "inside" if inside else None
    return element("th", child, scope="row", role="rowheader", class_=kind)
