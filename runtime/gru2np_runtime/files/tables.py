"""Tables: ``.csv`` for models with flat input, one row a sample.

A table is read once, from the first line to the last, into a temporary file of numbers
in the dtype of the model's inputs.  So a cell that is no number is found before
anything is written, and a table of any size takes no memory.
"""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import FileArray, spool
from gru2np_runtime.files.cells import is_number, numbers

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from gru2np_runtime.graph import Port

    FilePath = str | os.PathLike[str]

# Rows parsed at once.
ROWS = 4096
_SNIFFED = 1 << 16
_DELIMITERS = "\t;,"
_MISSING = ("", "na", "n/a", "null", "none")


class TableOptions(NamedTuple):
    """What nobody can see in a table.

    Attributes:
        header: whether the first line is names; found out where None.
        columns: those to take, by name or by number from 1, with commas between.
    """

    header: bool | None = None
    columns: str | None = None


def is_text(file: BinaryIO) -> bool:
    """Whether the file begins as text does."""
    file.seek(0)
    start = file.read(_SNIFFED)
    if not start or any(byte < 32 and byte not in b"\t\r\n" for byte in start):
        return False
    try:
        # Not final: the last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def unfit_for_tables(ports: Sequence[Port]) -> str | None:
    """Why no table can hold the inputs of a model; None if one can."""
    for port in ports:
        if len(port.shape) not in (1, 2):
            shape = "(" + ", ".join(str(n) for n in port.shape) + ")"
            return f"a table has one row a sample, and input {port.name!r} is {shape}"
    if len(ports) > 1 and any(port.shape[1:] == (None,) for port in ports):
        return "which columns are which input is not known: their number is open"
    return None


def read_table(
    file: BinaryIO,
    label: str,
    ports: Sequence[Port],
    options: TableOptions | None,
    stack: ExitStack,
    folder: FilePath | None = None,
) -> dict[str, FileArray]:
    """The inputs of a model from the columns of a table.

    Columns go to the inputs in the model's order; where every input is one column and
    the header has all their names, by name.

    Args:
        file: open, UTF-8; commas, semicolons or tabs between the cells.
        label: what messages call it.
        ports: the inputs, each of shape (rows,) or (rows, columns).
        options: header and columns.
        stack: keeps the temporary files open.
        folder: where those are.

    Raises:
        InputError: a line has too many or too few cells, or one that is no number.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        return _Reader(text, label, ports, options or TableOptions()).read(
            stack, folder
        )
    except UnicodeDecodeError:
        raise InputError(f"{label}: expected UTF-8 text") from None
    finally:
        text.detach()


class _Reader:
    """One pass over one table."""

    def __init__(
        self,
        text: io.TextIOWrapper,
        label: str,
        ports: Sequence[Port],
        options: TableOptions,
    ) -> None:
        self.label, self.ports = label, ports
        first = text.readline(_SNIFFED)
        text.seek(0)
        present = [mark for mark in _DELIMITERS if mark in first]
        self.delimiter = (present or [","])[0]
        self.lines = csv.reader(text, delimiter=self.delimiter, strict=True)
        rows = self._rows()
        self.first = next(rows, None)
        self.rows = rows
        self.names = self._header(options.header)
        self.taken = self._taken(options.columns)
        self.widths = self._widths()

    def _rows(self) -> Iterator[list[str]]:
        """Rows with cells; lines without any only at the end."""
        blank = 0
        try:
            for row in self.lines:
                if not row:
                    blank = blank or self.lines.line_num
                    continue
                if blank:
                    raise InputError(f"{self.label}, line {blank}: is empty")
                yield row
        except csv.Error as error:
            line = self.lines.line_num
            raise InputError(f"{self.label}, line {line}: {error}") from None

    def _header(self, said: bool | None) -> list[str] | None:
        """The names above the columns, if the first line is names."""
        first = self.first
        if first is None:
            raise InputError(f"{self.label}: a table without a line")
        if said is None:
            kinds = {is_number(cell) for cell in first}
            counted = {tuple(str(i + k) for i in range(len(first))) for k in (0, 1)}
            missing = all(cell.strip().lower() in _MISSING for cell in first)
            # 0, 1, 2 may be names that pandas gave; 3, , 4 may be a row with a hole.
            if len(kinds) == 2 or tuple(first) in counted or missing:
                raise InputError(
                    f"{self.label}, line 1: {self.delimiter.join(first)[:40]!r} may be "
                    "names or a row of numbers: say --header or --no-header"
                )
            said = kinds == {False}
        return [cell.strip() for cell in first] if said else None

    def _taken(self, columns: str | None) -> list[int] | None:
        """Positions of the columns that count, in order; None for all."""
        names = self.names
        wanted: list[str]
        if columns is not None:
            wanted = [cell.strip() for cell in next(csv.reader([columns]), [])]
            if not wanted:
                raise InputError("--columns: expected names or numbers, got nothing")
        else:
            wanted = [port.name for port in self.ports]
            single = all(port.shape[1:] in ((), (1,)) for port in self.ports)
            if names is None or not single or not set(wanted) <= set(names):
                return None
        assert self.first is not None
        taken = []
        for column in wanted:
            count = 0 if names is None else names.count(column)
            if count == 1 and names is not None:
                taken.append(names.index(column))
            elif count:
                raise InputError(f"{self.label}: {count} columns are called {column!r}")
            elif column.isdecimal() and 1 <= int(column) <= len(self.first):
                taken.append(int(column) - 1)
            else:
                known = "it has no header" if names is None else ", ".join(names)
                raise InputError(
                    f"{self.label}: expected a column {column!r}, "
                    f"got {len(self.first)} columns: {known[:200]}"
                )
        return taken

    def _widths(self) -> list[int]:
        """How many columns go to each input."""
        assert self.first is not None
        got = len(self.first) if self.taken is None else len(self.taken)
        widths = [
            1
            if len(port.shape) == 1
            else got
            if port.shape[1] is None
            else port.shape[1]
            for port in self.ports
        ]
        if sum(widths) != got:
            inputs = ", ".join(
                f"{port.name!r} {width}" for port, width in zip(self.ports, widths)
            )
            raise InputError(
                f"{self.label}: expected {sum(widths)} columns for the model's inputs "
                f"({inputs}), got {got}: name those to take with --columns"
            )
        return widths

    def read(self, stack: ExitStack, folder: FilePath | None) -> dict[str, FileArray]:
        """Parse every row."""
        spools = [spool(stack, folder) for _ in self.ports]
        assert self.first is not None
        cells, count = len(self.first), 0
        batch: list[list[str]] = []
        lines: list[int] = []
        if self.names is None:
            batch, lines = [self.first], [1]
        for row in self.rows:
            if len(row) != cells:
                raise InputError(
                    f"{self.label}, line {self.lines.line_num}: expected {cells} "
                    f"cells as on line 1, got {len(row)}"
                )
            batch.append(row)
            lines.append(self.lines.line_num)
            if len(batch) == ROWS:
                self._write(batch, lines, spools)
                count += ROWS
                batch, lines = [], []
        self._write(batch, lines, spools)
        count += len(batch)
        found = {}
        for port, width, opened in zip(self.ports, self.widths, spools):
            opened.flush()
            shape = (count,) if len(port.shape) == 1 else (count, width)
            dtype = np.dtype(port.dtype)
            found[port.name] = FileArray(opened, self.label, dtype, shape)
        return found

    def _write(
        self, batch: list[list[str]], lines: list[int], spools: Sequence[BinaryIO]
    ) -> None:
        """Rows as numbers, to the file of each input."""
        taken = self.taken if self.taken is not None else range(sum(self.widths))
        first = 0
        for port, width, opened in zip(self.ports, self.widths, spools):
            columns = taken[first : first + width]
            first += width
            cells = [row[column] for row in batch for column in columns]
            dtype = np.dtype(port.dtype)
            try:
                values = numbers(cells, dtype)
            except (OverflowError, ValueError):
                raise self._misfit(batch, lines, columns, dtype) from None
            opened.write(values.data.cast("B") if values.size else b"")

    def _misfit(
        self,
        batch: list[list[str]],
        lines: list[int],
        columns: Sequence[int],
        dtype: np.dtype[Any],
    ) -> InputError:
        """What is wrong with the first cell that is wrong."""
        for row, line in zip(batch, lines):
            for column in columns:
                try:
                    numbers([row[column]], dtype)
                except (OverflowError, ValueError):
                    name = str(column + 1)
                    if self.names is not None:
                        name += f" ({self.names[column]!r})"
                    got = repr(row[column][:40]) if row[column].strip() else "nothing"
                    return InputError(
                        f"{self.label}, line {line}, column {name}: expected a number "
                        f"({dtype.name}), got {got}"
                    )
        raise AssertionError("every cell is a number alone")
