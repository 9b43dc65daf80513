"""Text for people: tables that fit a terminal, paragraphs, numbers and counts."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gru2np_runtime.proof.replay import short
from gru2np_runtime.text import plural as plural

if TYPE_CHECKING:
    from collections.abc import Sequence

# A first column wider than this leaves no room for the others; a narrower one than the
# second tells names apart no more.
NAME_WIDTH, LEAST_NAME = 34, 16
# A last column narrower than this is a column of broken words.
LEAST_LAST = 34


def shorten(text: str, width: int) -> str:
    """The text without its middle where it is too long: ends tell names apart."""
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

    Where the last column has no room beside the others, it stands below its row.

    Args:
        header: titles of the columns.
        rows: as many cells each.
        right: columns of numbers, set to the right.
        width: of the whole table.
        indent: in front of every line.
    """
    last = len(header) - 1
    middle = [max(len(row[i]) for row in (header, *rows)) for i in range(1, last)]
    room = width - len(indent) - sum(middle) - 2 * len(middle)
    name_width = max(LEAST_NAME, min(NAME_WIDTH, room))
    cells = [[shorten(row[0], name_width), *row[1:]] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(last)]
    left = len(indent) + sum(widths) + 2 * last
    longest = max(len(row[last]) for row in cells)
    beside = width - left >= min(longest, LEAST_LAST)
    if beside:
        widths.append(min(width - left, longest))
    else:
        cells[0][last] = ""
        left = len(indent) + widths[0] + 2

    lines = []
    for number, row in enumerate(cells):
        ends = wrap(row[last], width - left, break_on_hyphens=False)
        first = [ends.pop(0)] if beside and ends else []
        columns = zip([*row[:last], *first], widths, strict=False)
        padded = [
            cell.rjust(size) if i in right else cell.ljust(size)
            for i, (cell, size) in enumerate(columns)
        ]
        lines.append((indent + "  ".join(padded)).rstrip())
        lines.extend(" " * left + end for end in ends)
        if number == 0:
            lines.append(indent + "  ".join("─" * size for size in widths))
    return lines


def paragraph(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    """The text wrapped, ``first`` in front of it and ``rest`` before later lines."""
    later = " " * len(first) if rest is None else rest
    return wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
    )


def listed(items: Sequence[str], most: int, last: str = "and") -> str:
    """Items in words: ``a, b and c``; those after the first ``most`` are counted."""
    more = len(items) - most
    if more > 0:
        return f"{', '.join(items[:most])} {last} {more} more"
    return f" {last} ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)


def readable(path: str) -> str:
    """A path of the bundle with its letters as they were: ``%C3%A9`` is é."""
    return unquote(path, errors="replace")


def size_text(size: int) -> str:
    """A number of bytes for people."""
    if size < 1000:
        return f"{size} bytes"
    number, units = size / 1000, ["kB", "MB", "GB"]
    while number >= 999.5 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.3g} {units[0]}"


def difference(value: float) -> str:
    """A difference or a bound; none where there is no number."""
    return "-" if value != value else short(value)
