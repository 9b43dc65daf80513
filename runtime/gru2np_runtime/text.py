"""Counts with nouns, and plain tables, to print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.errors import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 layer, 12,345 layers."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
) -> list[str]:
    """The lines of a table, with a rule below its header; a terminal can show them all.

    Args:
        header: titles of the columns.
        rows: one cell per column.
        right: indices of the columns that are aligned to the right.
    """
    cells = [[*map(plain, row)] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return lines
