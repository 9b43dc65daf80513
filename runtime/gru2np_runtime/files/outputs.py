"""Write outputs: ``.npy`` row by row; ``.npz`` and ``.csv`` from those."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import FileArray, read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gru2np_runtime.layer import Array

# Rows of a table written at once.
ROWS = 4096


class RowWriter:
    """Writes an array as ``.npy`` to a file or a stream, row by row.

    Attributes:
        shape: of the whole array; known after the first rows.
        dtype: its dtype; known after the first rows.
        missing: rows that are not written yet; None before the first.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype("float32")
        self.missing: int | None = None

    def add(self, rows: Array, count: int) -> None:
        """Write rows of an array that has ``count`` rows.

        Raises:
            InputError: their shape differs from that of the first rows.
        """
        if self.missing is None:
            self._begin((count, *rows.shape[1:]), rows.dtype)
        self.missing = (self.missing or 0) - len(rows)
        if self.missing < 0 or rows.shape[1:] != self.shape[1:]:
            raise InputError(
                f"one batch gives rows {self.shape[1:]} and another {rows.shape[1:]}, "
                "which do not fit into one array: run all rows at once (--batch-size)"
            )
        if rows.size:
            self.file.write(np.ascontiguousarray(rows).data.cast("B"))

    def _begin(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.missing = shape, dtype, shape[0]
        descr = npy.dtype_to_descr(dtype)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self.file, header)

    def resume(self, rows: int) -> None:
        """Continue after the first rows of a file from an earlier run.

        Raises:
            InputError: the file has fewer rows.
        """
        size = self.file.seek(0, io.SEEK_END)
        self.file.seek(0)
        shape, _, dtype = read_header(self.file, "an output")
        end = self.file.tell() + rows * math.prod(shape[1:]) * dtype.itemsize
        if not 0 <= rows <= shape[0] or end > size:
            raise InputError(f"an output has no {rows} rows")
        self.shape, self.dtype, self.missing = shape, dtype, shape[0] - rows
        self.file.truncate(end)
        self.file.seek(end)

    def array(self) -> FileArray:
        """The written array, for reading."""
        self.file.flush()
        self.file.seek(0)
        shape, _, dtype = read_header(self.file, "an output")
        return FileArray(self.file, "an output", dtype, shape, self.file.tell())


def write_npz(file: BinaryIO, writers: Mapping[str, RowWriter]) -> None:
    """Write arrays of any names and sizes into a ``.npz``."""
    import shutil
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, writer in writers.items():
            # The date is fixed, so that equal arrays give equal bytes.
            record = zipfile.ZipInfo(f"{name}.npy")
            writer.file.seek(0)
            with archive.open(record, "w", force_zip64=True) as target:
                shutil.copyfileobj(writer.file, target, 1 << 20)


def write_table(file: BinaryIO, writers: Mapping[str, RowWriter]) -> None:
    """Write arrays as the columns of a table with a header.

    Raises:
        InputError: their numbers of rows differ.
    """
    arrays = {name: writer.array() for name, writer in writers.items()}
    counts = {array.shape[0] for array in arrays.values()}
    if len(counts) > 1:
        raise InputError(
            f"the outputs have {', '.join(map(str, sorted(counts)))} rows, which do "
            "not fit into one table: name an .npz file with -o"
        )
    names = [column for item in arrays.items() for column in _header(*item)]
    file.write(_lines([names]))
    for start in range(0, max(counts), ROWS):
        columns = [
            list(map(str, column))
            for array in arrays.values()
            for column in _columns(array.rows(start, start + ROWS))
        ]
        file.write(_lines(zip(*columns)))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _header(name: str, array: FileArray) -> list[str]:
    """``name``, or ``name[0]``, ``name[1]``, ... for several columns."""
    width = math.prod(array.shape[1:])
    return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]


def _columns(rows: Array) -> Array:
    """The columns of rows, flattened; booleans are 0 and 1."""
    numbers = rows.astype("int64") if rows.dtype == bool else rows
    columns: Array = numbers.reshape(len(rows), math.prod(rows.shape[1:])).T
    return columns
