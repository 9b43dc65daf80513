"""What every section is made of: titles, labels, numbers, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.reports.markup import Markup, element, join
from gru2np.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Row = Sequence[Markup | str]

# Rows that are shown before somebody asks for more, and those that are not shown.
AT_ONCE, MOST = 60, 600


def section(key: str, title: str, *children: Markup | None) -> Markup:
    """A section with a title that links lead to."""
    head = element("h2", title, id=key)
    return element("section", head, *children, aria_labelledby=key)


def note(text: str) -> Markup:
    """A remark."""
    return element("p", text, class_="note")


def folded(title: str, children: Iterable[Markup]) -> Markup:
    """What is shown when somebody asks for it, and always on paper."""
    return element("details", element("summary", title), *children)


def facts(rows: Iterable[tuple[str, Markup | str]]) -> Markup:
    """Labels with what they stand for."""
    pairs = [
        join([element("dt", label), element("dd", value)]) for label, value in rows
    ]
    return element("dl", *pairs, class_="facts")


def figures(rows: Iterable[tuple[str, str]]) -> Markup:
    """A few numbers that sum a model up."""
    boxes = [
        element("div", element("b", value), element("span", label))
        for value, label in rows
    ]
    return element("div", *boxes, class_="figures")


def several_lines(lines: Iterable[Markup | str]) -> Markup:
    """One below the other."""
    first, *rest = list(lines) or [""]
    return join([first, *(join([element("br"), line]) for line in rest)])


def tables(
    what: str, head: Sequence[tuple[str, str]], rows: Sequence[Row], count: int
) -> Iterator[Markup]:
    """A table, its end folded where it is long.

    Args:
        what: a row stands for, in singular.
        head: title and class of every column; the first one names the row.
        rows: as many cells each; the first may be a whole ``th``.
        count: how many rows there are in all, with those that are not given.
    """
    yield table(f"{what.capitalize()}s", head, rows[:AT_ONCE])
    if len(rows) > AT_ONCE:
        rest = [table(f"More {what}s", head, rows[AT_ONCE:])]
        if count > len(rows):
            left = plural(count - len(rows), f"more {what}")
            rest.append(note(f"And {left}: --json lists all."))
        yield folded(plural(count - AT_ONCE, f"more {what}"), rest)


def table(caption: str, head: Sequence[tuple[str, str]], rows: Iterable[Row]) -> Markup:
    """A table that becomes a card for each row where the page is narrow.

    Args:
        caption: what it is, for whoever cannot see it.
        head: title and class of every column; the first one names the row.
        rows: as many cells each; the first may be a whole ``th``.
    """
    titles = [
        element("th", title, scope="col", role="columnheader", class_=kind or None)
        for title, kind in head
    ]
    body = []
    for first, *cells in rows:
        own = [first if _is_head(first) else row_head(first)]
        for cell, (title, kind) in zip(cells, head[1:], strict=True):
            classes = " ".join(filter(None, [kind, "" if cell else "empty"])) or None
            own.append(
                element("td", cell, role="cell", class_=classes, data_label=title)
            )
        body.append(element("tr", *own, role="row"))
    # The roles stay where the style makes blocks of rows and cells.
    return element(
        "table",
        element("thead", element("tr", *titles, role="row"), role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_="cards",
        role="table",
        aria_label=caption,
    )


def row_head(child: Markup | str, inside: bool = False) -> Markup:
    """The cell that names a row."""
    kind = "inside" if inside else None
    return element("th", child, scope="row", role="rowheader", class_=kind)


def _is_head(cell: Markup | str) -> bool:
    return isinstance(cell, Markup) and cell.startswith("<th")
