"""Text for people: tables that fit a terminal, paragraphs, numbers and counts."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gru2np_runtime.errors import plain
from gru2np_runtime.proof.replay import short
from gru2np_runtime.text import plural as plural
from gru2np_runtime.text import table as columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The width of the first column: wider leaves no room for the others, narrower makes
# shortened names equal.
NAME_WIDTH, LEAST_NAME = 34, 16
# A last column narrower than this would break most words.
LEAST_LAST = 34


def shorten(text: str, width: int) -> str:
    """The text without its middle if it is too long: names differ at their ends."""
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    width: int = 88,
    indent: str = "  ",
) -> list[str]:
    """The lines of a table; long names are shortened, the last column is wrapped.

    If the last column does not fit, it is printed below its row.

    Args:
        header: titles of the columns.
        rows: one cell for each column.
        right: indices of right-aligned columns.
        width: of the whole table.
        indent: before every line.
    """
    last = len(header) - 1
    middle = [max(len(row[i]) for row in (header, *rows)) for i in range(1, last)]
    room = width - len(indent) - sum(middle) - 2 * len(middle)
    names = [
        shorten(row[0], max(LEAST_NAME, min(NAME_WIDTH, room)))
        for row in (header, *rows)
    ]
    cells = [[name, *row[1:]] for name, row in zip(names, (header, *rows), strict=True)]
    name_width = max(map(len, names))
    longest = max(len(row[last]) for row in cells)
    left = width - len(indent) - name_width - sum(middle) - 2 * last
    if left >= min(longest, LEAST_LAST):
        lines = _wrapped(cells, min(left, longest), right)
    else:
        lines = columns(cells[0][:-1], [row[:-1] for row in cells[1:]], right)
        start = " " * (name_width + 2)
        for i, row in reversed([*enumerate(cells)][1:]):
            below = paragraph(row[last], width - len(indent), start)
            lines[i + 2 : i + 2] = below
    return [indent + line for line in lines]


def _wrapped(
    cells: Sequence[Sequence[str]], width: int, right: frozenset[int]
) -> list[str]:
    """The lines of a table whose last column is wrapped at a width."""
    (*titles, title), *rows = cells
    lines = []
    for *first, last in rows:
        end, *more = wrap(last, width, break_on_hyphens=False) or [""]
        lines.append([*first, end])
        lines += [[*[""] * len(first), text] for text in more]
    return columns([*titles, title.ljust(width)], lines, right)


def paragraph(text: str, width: int, first: str) -> list[str]:
    """The text wrapped, with ``first`` before it and later lines indented as far.

    A terminal can show all of it, whatever names are in it.
    """
    lines = wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
    )
    return [*map(plain, lines)]


def listed(items: Sequence[str], most: int, last: str = "and") -> str:
    """Items in words: ``a, b and c``; after ``most`` items, ``and 3 more``."""
    more = len(items) - most
    if more > 0:
        return f"{', '.join(items[:most])} {last} {more} more"
    return f" {last} ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)


def readable(path: str) -> str:
    """A path of the bundle with its letters decoded: ``%C3%A9`` is é."""
    return unquote(path, errors="replace")


def by_words(words: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences on layers, each once with the paths of its layers behind it.

    Args:
        words: the sentences by the path of the layer.
    """
    paths: dict[str, list[str]] = {}
    for path, texts in words.items():
        for text in texts:
            paths.setdefault(text, []).append(readable(path))
    return [f"{text} ({listed(found, 4)})" for text, found in paths.items()]


def size_text(size: int) -> str:
    """A number of bytes for people."""
    if size < 1000:
        return f"{size} bytes"
    return " ".join(_in_units(size, ["kB", "MB", "GB"]))


def quantity(value: float) -> str:
    """A count, with three digits if it is large: 12,345 or 1.23 M."""
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    return " ".join(_in_units(value, ["k", "M", "G", "T"]))


def _in_units(value: float, units: list[str]) -> tuple[str, str]:
    """A number of three digits and its unit, each unit 1000 of the one before."""
    value /= 1000
    while abs(value) >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g}", units[0]


def difference(value: float) -> str:
    """A difference or a bound in words; ``-`` for NaN."""
    return "-" if value != value else short(value)
