"""Outputs on their way into files: ``.npy``, ``.npz`` and tables, row by row.

A sink is given the outputs of one batch after the other.  Its ``state`` says how far
it is, in words of JSON; ``go_on`` takes that back in another process.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array

    Shape = tuple[int, ...]


class RowWriter:
    """Writes an array to a file or a stream as its rows come in, as ``.npy``.

    Attributes:
        shape: of the whole array, once the first rows are there.
        dtype: its dtype.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.shape: Shape = ()
        self.dtype = np.dtype("float32")
        self._left: int | None = None

    def add(self, rows: Array, count: int) -> None:
        """Write rows; ``count`` is how many there will be in all."""
        if self._left is None:
            self.shape, self.dtype = (count, *rows.shape[1:]), rows.dtype
            header: dict[str, Any] = {
                "descr": npy.dtype_to_descr(rows.dtype),
                "fortran_order": False,
                "shape": self.shape,
            }
            npy.write_array_header_1_0(self.file, header)
            self._left = count
        self._left -= len(rows)
        if self._left < 0 or rows.shape[1:] != self.shape[1:]:
            raise InputError(
                f"batches give {self.shape[1:]} and then {rows.shape[1:]}, so they "
                "are no rows of one array: score them all at once (--batch-size)"
            )
        if rows.size:
            self.file.write(np.ascontiguousarray(rows).data.cast("B"))

    def go_on(self, shape: Shape, dtype: str, rows: int) -> None:
        """Go on after so many rows of an array that another process began."""
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._left = shape[0] - rows


class ArraySink:
    """Outputs as arrays, a file for each."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self.files = list(files)
        self._writers = [RowWriter(file) for file in files]

    def add(self, outputs: Sequence[Array], count: int) -> None:
        """Write the rows of a batch; ``count`` as ``RowWriter.add`` takes it."""
        # A single batch has as many rows as it has; an operation may make them fewer.
        for writer, output in zip(self._writers, outputs):
            writer.add(output, len(output) if count < 0 else count)

    def written(self) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output."""
        return [(writer.shape, writer.dtype.name) for writer in self._writers]

    def go_on(self, written: Sequence[tuple[Shape, str]], rows: int) -> None:
        """Go on where another process left off."""
        for writer, (shape, dtype) in zip(self._writers, written):
            writer.go_on(shape, dtype, rows)


class TableSink:
    """Outputs as the columns of one CSV table, a header above them.

    Args:
        file: it goes into.
        names: of the outputs; ``name[0]``, ``name[1]`` where one has several columns.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self.files = [file]
        self._names = names
        self._written: list[tuple[Shape, str]] = []

    def add(self, outputs: Sequence[Array], count: int) -> None:
        """Write the rows of a batch."""
        if not self._written:
            self._begin(outputs, count)
        rows = len(outputs[0])
        for output, (shape, _) in zip(outputs, self._written):
            if output.shape != (rows, *shape[1:]):
                raise InputError(
                    f"batches give outputs of {output.shape} for {rows} rows, which "
                    "no table holds: name an .npy or .npz file with -o"
                )
        columns = [
            # Shortest digits that give the number back; of NumPy's float32 its own.
            list(map(str, column.astype("int64") if column.dtype == bool else column))
            for output in outputs
            for column in output.reshape(rows, math.prod(output.shape[1:])).T
        ]
        text = "".join(",".join(row) + "\n" for row in zip(*columns))
        self.files[0].write(text.encode())

    def _begin(self, outputs: Sequence[Array], count: int) -> None:
        header = []
        for name, output in zip(self._names, outputs):
            if output.ndim > 2:
                raise Misuse(
                    f"a table has one row a sample, and output {name!r} is "
                    f"{(None, *output.shape[1:])}: name an .npy or .npz file with -o"
                )
            width = math.prod(output.shape[1:])
            several = output.ndim == 2 and width != 1
            columns = [f"{name}[{i}]" for i in range(width)] if several else [name]
            header.extend(columns)
            whole = len(output) if count < 0 else count
            self._written.append(((whole, *output.shape[1:]), output.dtype.name))
        self.files[0].write((",".join(map(_quoted, header)) + "\n").encode())

    def written(self) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output."""
        return list(self._written)

    def go_on(self, written: Sequence[tuple[Shape, str]], rows: int) -> None:
        """Go on where another process left off."""
        self._written = list(written)


def _quoted(cell: str) -> str:
    """A name as CSV takes it."""
    if any(mark in cell for mark in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def write_npz(file: BinaryIO, members: Mapping[str, BinaryIO]) -> None:
    """Join ``.npy`` files into an ``.npz``, whatever their names and sizes."""
    import shutil
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            # One fixed date: the same numbers are the same bytes.
            record = zipfile.ZipInfo(f"{name}.npy")
            member.seek(0)
            with archive.open(record, "w", force_zip64=True) as target:
                shutil.copyfileobj(member, target, 1 << 20)
