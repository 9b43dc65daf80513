"""Tables: ``.csv`` files with a row for each sample.

A table is read once into temporary files of numbers in the dtypes of the model's
inputs.  So a cell that is not a number is reported before anything is written, and a
table of any size takes little memory.
"""

from __future__ import annotations

import csv
import io
import math
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import FileArray, spool

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from gru2np_runtime.graph import Port
    from gru2np_runtime.layer import Array, Shape

    FilePath = str | os.PathLike[str]
    # The number of a line, and its cells.
    Row = tuple[int, list[str]]

# Rows parsed at once.
ROWS = 4096
# The most characters of the first line in which the delimiter is searched.
_START = 1 << 16
# Larger integers may not be exact as floats.
_LARGEST_ID = 2**53


class TableOptions(NamedTuple):
    """How to read a table.

    Attributes:
        header: whether the first line has names; None to judge by its cells.
        columns: the columns to use, by name or by number from 1, separated by commas.
    """

    header: bool | None = None
    columns: str | None = None


def fits_table(shape: Shape) -> bool:
    """Whether a row of any length has one shape as a sample."""
    return len(shape) <= 2 or None not in shape[1:]


def read_table(
    file: BinaryIO,
    label: str,
    ports: Sequence[Port],
    options: TableOptions,
    stack: ExitStack,
    folder: FilePath | None = None,
) -> dict[str, FileArray]:
    """The inputs of a model from the columns of a table.

    The numbers of a row go to the inputs in the model's order, each reshaped to its
    declared shape.

    Args:
        file: open, UTF-8; tabs, semicolons, commas or spaces between the cells.
        label: the name of the file in messages.
        ports: the inputs, with batch axis.
        options: header and columns.
        stack: keeps the temporary files open.
        folder: of the temporary files.

    Raises:
        InputError: a line has too many or too few cells, or a cell that is not a
            number.
    """
    for port in ports:
        if not fits_table(port.shape) or (None in port.shape[1:] and len(ports) > 1):
            raise InputError(
                f"{label}: input {port.name!r} is {shape_text(port.shape)}, and a row "
                "of a table cannot show its free sizes: save an array, "
                "np.save('x.npy', x), or several, np.savez('x.npz', name=x)"
            )
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        table = _Table(text, label, options.header)
        return table.read(ports, table.columns(ports, options.columns), stack, folder)
    except UnicodeDecodeError:
        raise InputError(
            f"{label}: expected a .npy or .npz file or a table in UTF-8: "
            "np.save('x.npy', x) saves an array"
        ) from None
    finally:
        text.detach()


class _Table:
    """A table that is read once.

    Attributes:
        names: of the columns; empty if the first line has numbers.
        width: the number of columns.
    """

    def __init__(self, text: io.TextIOWrapper, label: str, header: bool | None) -> None:
        self.label = label
        line = text.readline(_START).strip()
        text.seek(0)
        self.delimiter = next((mark for mark in "\t;, " if mark in line), ",")
        rows = self._rows(text)
        first = next(rows, None)
        if first is None:
            raise InputError(f"{label}: expected a table, got an empty file")
        cells = [cell.strip() for cell in first[1]]
        self.width = len(cells)
        self.names = cells if self._has_names(cells, header) else []
        self.rows = rows if self.names else chain([first], rows)

    def _rows(self, text: io.TextIOWrapper) -> Iterator[Row]:
        """The rows; checks that all have the same number of cells.

        Empty lines are accepted only at the end.
        """
        lines = csv.reader(
            text, delimiter=self.delimiter, strict=True, skipinitialspace=True
        )
        empty = width = 0
        try:
            for row in lines:
                width = width or len(row)
                if not row:
                    empty = empty or lines.line_num
                elif empty or len(row) != width:
                    raise InputError(
                        f"{self.label}, line {empty or lines.line_num}: expected "
                        f"{width} cells as on line 1, got {0 if empty else len(row)}"
                    )
                else:
                    yield lines.line_num, row
        except csv.Error as error:
            line = lines.line_num
            raise InputError(f"{self.label}, line {line}: {error}") from None

    def _has_names(self, cells: list[str], header: bool | None) -> bool:
        """Whether the first line has names.

        Raises:
            InputError: that is not certain.
        """
        if header is not None:
            return header
        numeric = {_fit([cell], "float64") for cell in cells}
        # pandas writes numbers as the names of unnamed columns.
        numbered = [[str(i + k) for i in range(len(cells))] for k in (0, 1)]
        if len(numeric) == 2 or cells in numbered or not any(cells):
            raise InputError(
                f"{self.label}, line 1: {self.delimiter.join(cells)[:40]!r} may be "
                "names or a row of numbers: give --header or --no-header"
            )
        return numeric == {False}

    def columns(self, ports: Sequence[Port], wanted: str | None) -> list[int]:
        """The positions of the columns for the inputs, in order."""
        inputs = [port.name for port in ports]
        width = sum(math.prod(_sizes(port.shape, self.width)) for port in ports)
        if wanted is not None:
            cells = next(csv.reader([wanted]), []) or [""]
            positions = [self._position(cell.strip()) for cell in cells]
        elif width == len(inputs) and set(inputs) <= set(self.names):
            positions = [self._position(name) for name in inputs]
        else:
            positions = list(range(self.width))
        widths = [math.prod(_sizes(port.shape, len(positions))) for port in ports]
        if sum(widths) != len(positions):
            needed = ", ".join(f"{name!r} {n}" for name, n in zip(inputs, widths))
            raise InputError(
                f"{self.label}: expected {sum(widths)} columns for the model's inputs "
                f"({needed}), got {len(positions)}: choose columns with --columns"
            )
        return positions

    def _position(self, column: str) -> int:
        count = self.names.count(column)
        if count == 1:
            return self.names.index(column)
        if not count and column.isdecimal() and 1 <= int(column) <= self.width:
            return int(column) - 1
        raise InputError(
            f"{self.label}: expected one column {column!r}, got {self.width} columns: "
            f"{', '.join(self.names)[:200] or 'without names'}: --columns takes names, "
            f"or numbers from 1 to {self.width}"
        )

    def read(
        self,
        ports: Sequence[Port],
        columns: Sequence[int],
        stack: ExitStack,
        folder: FilePath | None,
    ) -> dict[str, FileArray]:
        """Parse every row into a temporary file for each input."""
        files = [spool(stack, folder) for _ in ports]
        shapes = [_sizes(port.shape, len(columns)) for port in ports]
        count = 0
        while block := list(islice(self.rows, ROWS)):
            count += len(block)
            positions = iter(columns)
            for port, shape, file in zip(ports, shapes, files):
                chosen = list(islice(positions, math.prod(shape)))
                file.write(self._parse(block, chosen, port.dtype).tobytes())
        arrays = {}
        for port, shape, file in zip(ports, shapes, files):
            file.flush()
            dtype = np.dtype(port.dtype)
            arrays[port.name] = FileArray(file, self.label, dtype, (count, *shape))
        return arrays

    def _parse(self, block: list[Row], columns: list[int], dtype: str) -> Array:
        """The numbers of some columns.

        Raises:
            InputError: a cell is not a number; the message names the first.
        """
        try:
            return _numbers([cells[i] for _, cells in block for i in columns], dtype)
        except ValueError:
            line, i, cell = next(
                (line, i, cells[i].strip())
                for line, cells in block
                for i in columns
                if not _fit([cells[i]], dtype)
            )
        name = f" ({self.names[i]!r})" if self.names else ""
        raise InputError(
            f"{self.label}, line {line}, column {i + 1}{name}: expected a number "
            f"({dtype}), got {repr(cell[:40]) if cell else 'nothing'}: change the "
            "cell, or choose other columns with --columns"
        )


def _sizes(shape: Shape, width: int) -> tuple[int, ...]:
    """The shape of a sample; a free size is the number of columns."""
    return tuple(width if n is None else n for n in shape[1:])


def _numbers(cells: list[str], dtype: str) -> Array:
    """The cells as numbers; numbers too large for a float dtype become infinite.

    Raises:
        ValueError: a cell is not a number, or not an integer for an integer dtype.
    """
    # Python accepts 1_000 as a number; tables must not hold it.
    if "_" in "".join(cells):
        raise ValueError
    floats = np.array(list(map(float, cells)), "float64")
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = floats.astype(dtype)
    exact = (numbers == floats) & (abs(floats) <= _LARGEST_ID)
    if numbers.dtype.kind != "f" and not exact.all():
        raise ValueError
    return numbers


def _fit(cells: list[str], dtype: str) -> bool:
    try:
        _numbers(cells, dtype)
    except ValueError:
        return False
    return True
