"""Arrays in files: read ``.npy`` and ``.npz`` row by row; replace files atomically.

Nothing is unpickled, and no array has to fit into memory.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy

from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.files.workspace import workspace

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Sequence

    from gru2np_runtime.layer import Array

    FilePath = str | os.PathLike[str]

_NPY = b"\x93NUMPY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
# Bytes read at once from an array in Fortran order.
COLUMNS_BYTES = 2**25
# The size of the local header of a zip member, and the offset of two lengths in it.
_LOCAL_HEADER, _LOCAL_LENGTHS = 30, 26


class FileArray:
    """An array in a file; only the rows that are read are in memory.

    Attributes:
        shape: with the rows on axis 0.
        dtype: its dtype.
        row_bytes: the number of bytes of a row.
    """

    def __init__(
        self,
        file: BinaryIO,
        label: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        offset: int = 0,
        *,
        fortran_order: bool = False,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._file, self._label, self._offset = file, label, offset
        self.row_bytes = math.prod(shape[1:]) * dtype.itemsize
        self._order: Literal["C", "F"] = "F" if fortran_order else "C"
        # In Fortran order: rows that were read, and the number of the first one.
        self._block: tuple[int, Array] = 0, np.empty((0, *shape[1:]), dtype)

    def whole(self) -> Array:
        """The whole array, memory-mapped."""
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype, self._order)
        return np.memmap(
            self._file, self.dtype, "r", self._offset, self.shape, self._order
        )

    def rows(self, start: int, stop: int) -> Array:
        """A copy of some rows.

        Raises:
            InputError: the file was cut short while it was read.
        """
        # Not mapped: mapped pages would stay in memory, and if the file is truncated
        # meanwhile the process crashes.
        stop = max(min(stop, self.shape[0]), start)
        if self._order == "F":
            return self._by_columns(start, stop)
        shape = (stop - start, *self.shape[1:])
        self._file.seek(self._offset + start * self.row_bytes)
        read = np.fromfile(self._file, self.dtype, math.prod(shape))
        if read.size != math.prod(shape):
            raise InputError(f"{self._label}: was cut short while it was read")
        return read.reshape(shape)

    def _by_columns(self, start: int, stop: int) -> Array:
        """As ``rows``, for Fortran order."""
        first, block = self._block
        if not first <= start <= stop <= first + len(block):
            # Many rows at once, because each column needs a read.
            first, size = start, COLUMNS_BYTES // max(self.row_bytes, 1)
            last = min(max(stop, start + size), self.shape[0])
            columns = np.empty((math.prod(self.shape[1:]), last - first), self.dtype)
            for i, column in enumerate(columns):
                skipped = (i * self.shape[0] + first) * self.dtype.itemsize
                self._file.seek(self._offset + skipped)
                read: Any = self._file
                if read.readinto(column) != column.nbytes:
                    raise InputError(f"{self._label}: was cut short while it was read")
            block = columns.reshape(*reversed(self.shape[1:]), last - first).T
            self._block = first, block
        return np.ascontiguousarray(block[start - first : stop - first])


def map_arrays(file: BinaryIO, label: str) -> Array | dict[str, Array]:
    """The array of a ``.npy``, or those of a ``.npz`` by name.

    Arrays are mapped, so that only the parts in use are in memory.

    Args:
        file: open, seekable, with a file descriptor.
        label: the name of the file in messages.

    Raises:
        InputError: it is neither, it is truncated, or it holds Python objects.
    """
    with ExitStack() as stack:
        arrays = file_arrays(file, label, stack)
        if isinstance(arrays, FileArray):
            return arrays.whole()
        return {name: array.whole() for name, array in arrays.items()}


def file_arrays(
    file: BinaryIO, label: str, stack: ExitStack, folder: FilePath | None = None
) -> FileArray | dict[str, FileArray]:
    """As ``map_arrays``, but rows are read on demand.

    Args:
        file: open, seekable, with a file descriptor.
        label: the name of the file in messages.
        stack: keeps open the temporary files for compressed members.
        folder: of the temporary files; None for that of the system.

    Raises:
        InputError: it is neither, it is truncated, or it holds Python objects.
    """
    start = _start(file)
    size = file.seek(0, os.SEEK_END)
    if start == _NPY:
        return _npy_array(file, label, 0, size)
    if start[:4] in _ZIP:
        return _members(file, label, stack, folder)
    from gru2np_runtime.bundle.kinds import no_inputs

    if wrong := no_inputs(file):
        raise InputError(f"{label}: {wrong}")
    got = f"a file that begins with {start!r}" if start else "an empty file"
    raise InputError(
        f"{label}: expected a .npy or .npz file, got {got}: np.save('x.npy', x) saves "
        "an array"
    )


def holds_arrays(file: BinaryIO, label: str) -> bool:
    """Whether the file begins like a ``.npy`` or ``.npz``; else it is a table.

    Args:
        file: open and seekable.
        label: the name of the file in messages.

    Raises:
        InputError: it is something else, a model perhaps.
    """
    start = _start(file)
    if start.startswith(_NPY):
        return True
    # Inputs are rarely of another kind; the start must be fast.
    from gru2np_runtime.bundle.kinds import no_inputs

    wrong = no_inputs(file)
    if wrong is not None:
        raise InputError(f"{label}: {wrong}")
    return start.startswith(_ZIP)


def _start(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(len(_NPY))


def spool(stack: ExitStack, folder: FilePath | None = None) -> BinaryIO:
    """A temporary file without a name, removed when the stack closes."""
    file: Any = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    opened: BinaryIO = stack.enter_context(file)
    return opened


def read_header(
    file: BinaryIO, label: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is in Fortran order, and dtype of a ``.npy``.

    Raises:
        InputError: the header is damaged.
    """
    try:
        shape, fortran_order, dtype = _HEADERS[npy.read_magic(file)](file)
    # NumPy raises many kinds of errors for damaged headers.
    except Exception:
        raise InputError(
            f"{label}: its header is damaged, or it was not saved by NumPy: "
            "np.save('x.npy', x) saves an array"
        ) from None
    return shape, fortran_order, dtype


def _npy_array(file: BinaryIO, label: str, start: int, end: int) -> FileArray:
    """The array whose ``.npy`` bytes are between start and end."""
    file.seek(start)
    shape, fortran_order, dtype = read_header(file, label)
    if dtype.hasobject:
        raise InputError(
            f"{label}: holds Python objects (dtype {dtype}), which are never "
            "unpickled; save it as numbers: np.save(path, x.astype('float32'))"
        )
    offset, needed = file.tell(), dtype.itemsize * math.prod(shape)
    if any(n < 0 for n in shape) or needed > end - offset:
        raise InputError(
            f"{label}: is cut short: expected {needed} bytes for {dtype} of shape "
            f"{shape}, got {end - offset}: copy it again, or save it again with "
            "np.save('x.npy', x)"
        )
    return FileArray(file, label, dtype, shape, offset, fortran_order=fortran_order)


def _members(
    file: BinaryIO, label: str, stack: ExitStack, folder: FilePath | None
) -> dict[str, FileArray]:
    import zipfile

    arrays: dict[str, FileArray] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise InputError(
                        f"{label}: expected arrays only, got the member "
                        f"{member.filename!r}: np.savez('x.npz', name=x) saves arrays"
                    )
                name = member.filename[: -len(".npy")]
                member_label = f"{label}, {name!r}"
                if member.compress_type == zipfile.ZIP_STORED and not (
                    member.flag_bits & 1
                ):
                    start = _data_start(file, member)
                    end = start + member.file_size
                    arrays[name] = _npy_array(file, member_label, start, end)
                    continue
                unpacked = spool(stack, folder)
                with archive.open(member) as packed:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
                unpacked.flush()
                arrays[name] = _npy_array(unpacked, member_label, 0, unpacked.tell())
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise InputError(
            f"{label}: is a damaged .npz ({error}): copy it again, or save it again "
            "with np.savez('x.npz', name=x)"
        ) from None
    return arrays


def _data_start(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """The offset of the data of a stored member."""
    file.seek(member.header_offset + _LOCAL_LENGTHS)
    lengths = np.frombuffer(file.read(4), "<u2")
    return member.header_offset + _LOCAL_HEADER + int(lengths.sum())


class Misuse(Exception):
    """A wrong argument of a command: exit code 2."""


def lacks_suffix(path: FilePath) -> bool:
    """Whether the suffix of its format is added to an output: it has none.

    The path of a folder or a device is left as it is, and refused.
    """
    target = Path(path)
    return (
        bool(target.name)
        and not target.suffix
        and (target.is_file() or not target.exists())
    )


def check_output(
    path: FilePath, *, force: bool, inputs: Sequence[FilePath] = ()
) -> None:
    """Check an output path before any work is done.

    Raises:
        Misuse: it exists and ``force`` is not set, it is an input or no regular file,
            or its folder does not exist.
    """
    target = Path(path)
    if str(path) == "-":
        raise Misuse("standard output is not possible here: name a file with -o")
    if not str(path):
        raise Misuse("the output has no name: name a file with -o")
    if not target.parent.is_dir():
        raise Misuse(
            f"there is no folder {str(target.parent)!r} to write to: make it first, or "
            "name another file with -o"
        )
    if not target.exists():
        return
    if any(Path(source).exists() and target.samefile(source) for source in inputs):
        raise Misuse(f"{str(path)!r} is the input itself: name another file with -o")
    if target.is_dir():
        raise Misuse(f"{str(path)!r} is a folder: name a file in it with -o")
    if not target.is_file():
        raise Misuse(f"{str(path)!r} is not a regular file: name another with -o")
    if not force:
        raise Misuse(f"{str(path)!r} exists already: --force replaces it")


@contextmanager
def replacing(path: FilePath) -> Iterator[BinaryIO]:
    """A temporary file that replaces ``path`` when it is complete.

    Raises:
        Gru2npError: the file cannot be written.
    """
    target = Path(path)
    if "\0" in str(target):
        raise Gru2npError(f"{str(target)!r}: cannot be written: embedded null byte")
    try:
        with workspace(target) as folder:
            new = folder / "new"
            with new.open("w+b") as file:
                yield file
            new.replace(target)
    except OSError as error:
        # A full disk raises here; errors without a number are not from the disk.
        if error.errno is None:
            raise
        text = f"{target}: cannot be written: {error.strerror}"
        raise Gru2npError(text) from error
