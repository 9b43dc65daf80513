"""Counts with nouns, names, and tables, to print or to show in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.errors import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# Rows of a table that a notebook shows at once.
OPEN = 30


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


def html_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
) -> str:
    """A title and a table as HTML without colours, which a notebook gives its own.

    Args:
        title: in a line above the table.
        header: titles of the columns.
        rows: one cell per column; more than ``OPEN`` are shown at a click.
        right: indices of the columns that are aligned to the right.
    """
    # Imported only for a notebook: the start must be fast.
    from html import escape

    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["right" if i in right else "left" for i in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    shown = " open" if len(rows) <= OPEN else ""
    return (
        f"<details{shown}><summary>{escape(title)}</summary>"
        f"<table><thead><tr>{line(header, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody></table></details>"
    )


def shown_path(path: str) -> str:
    """A path, or a node's name, with the names of the layers as they are in Keras.

    A name that cannot be printed stays encoded.
    """
    return "/".join(map(_decoded, path.split("/"))) if "%" in path else path


def shown_paths(paths: Iterable[str]) -> dict[str, str]:
    """Such paths by path; each as it is if two of them would be the same."""
    shown = {path: shown_path(path) for path in paths}
    same = len(set(shown.values())) < len(shown)
    return {path: path for path in shown} if same else shown


def _decoded(component: str) -> str:
    # Imported only for such names: the start must be fast.
    from urllib.parse import unquote

    try:
        name = unquote(component, errors="strict")
    except UnicodeDecodeError:
        return component
    return name if name.isprintable() else component
