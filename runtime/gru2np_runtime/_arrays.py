"""Arrays in files: ``.npy`` and ``.npz`` mapped into memory, written row by row.

Nothing is unpickled, and no array has to fit into memory.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy

from gru2np_runtime._errors import Gru2npError, InputError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime._layer import Array

    FilePath = str | os.PathLike[str]

_NPY = b"\x93NUMPY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
# Offsets of a zip member's local header: its length, and two lengths that follow it.
_LOCAL_HEADER, _LOCAL_LENGTHS = 30, 26


def map_arrays(file: BinaryIO, label: str) -> Array | dict[str, Array]:
    """The array of a ``.npy``, or those of a ``.npz`` by name; told by content.

    Arrays are mapped, so that only the rows in use are in memory; compressed members
    are read whole.

    Args:
        file: open, seekable, with a file descriptor.
        label: what messages call it.

    Raises:
        InputError: it is neither, it is cut short, or it holds Python objects.
    """
    start = file.read(len(_NPY))
    size = file.seek(0, os.SEEK_END)
    if start == _NPY:
        return _mapped(file, label, 0, size)
    if start[:4] in _ZIP:
        return _map_members(file, label)
    got = f"a file that begins with {start!r}" if start else "an empty file"
    raise InputError(f"{label}: expected a .npy or .npz file, got {got}")


def _mapped(file: BinaryIO, label: str, start: int, end: int) -> Array:
    """The array whose ``.npy`` bytes lie between start and end."""
    file.seek(start)
    try:
        read_header = _HEADERS[npy.read_magic(file)]
        shape, fortran_order, dtype = read_header(file)
    # Damaged headers were seen to raise half a dozen kinds of error.
    except Exception:
        raise InputError(
            f"{label}: its header is damaged, or it was not saved by NumPy"
        ) from None
    return _map(file, label, dtype, shape, fortran_order, end)


def _map(
    file: BinaryIO,
    label: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    fortran_order: bool,
    end: int,
) -> Array:
    if dtype.hasobject:
        raise InputError(
            f"{label}: holds Python objects (dtype {dtype}), which are never "
            "unpickled; save it as numbers: np.save(path, x.astype('float32'))"
        )
    offset, needed = file.tell(), dtype.itemsize
    for n in shape:
        needed *= n
    if any(n < 0 for n in shape) or needed > end - offset:
        raise InputError(
            f"{label}: is cut short: expected {needed} bytes for {dtype} of shape "
            f"{shape}, got {end - offset}"
        )
    order: Literal["C", "F"] = "F" if fortran_order else "C"
    if needed == 0:
        return np.zeros(shape, dtype, order)
    return np.memmap(file, dtype, "r", offset, shape, order)


def _map_members(file: BinaryIO, label: str) -> dict[str, Array]:
    import zipfile

    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise InputError(
                        f"{label}: expected arrays, got {member.filename!r} among them"
                    )
                name = member.filename[: -len(".npy")]
                arrays[name] = _member(file, f"{label}, {name!r}", archive, member)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{label}: is no sound .npz: {error}") from None
    return arrays


def _member(
    file: BinaryIO, label: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> Array:
    import zipfile
    import zlib

    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
        file.seek(member.header_offset + _LOCAL_LENGTHS)
        lengths = np.frombuffer(file.read(4), "<u2")
        start = member.header_offset + _LOCAL_HEADER + int(lengths.sum())
        return _mapped(file, label, start, start + member.file_size)
    with archive.open(member) as packed:
        try:
            array: Array = npy.read_array(packed, allow_pickle=False)
        except (ValueError, zlib.error) as error:
            raise InputError(f"{label}: cannot be read: {error}") from None
    return array


class RowWriter:
    """Writes an array to a file or a stream as its rows come in, as ``.npy``.

    Attributes:
        shape: of the whole array, once the first rows are there.
        dtype: its dtype.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.shape: tuple[int, ...] = ()
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


class Misuse(Exception):
    """An argument that cannot be: a matter of usage, exit code 2."""


def check_output(
    path: FilePath, *, force: bool, inputs: Sequence[FilePath] = ()
) -> None:
    """Refuse to write where something would be lost, before any work is done.

    Raises:
        Misuse: it exists and ``force`` is not set, is an input, is no regular file,
            or its folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise Misuse(f"there is no folder {str(target.parent)!r} to write to")
    if not target.exists():
        return
    if any(Path(source).exists() and target.samefile(source) for source in inputs):
        raise Misuse(f"{str(path)!r} is the input itself: name another output with -o")
    if not target.is_file():
        raise Misuse(f"{str(path)!r} is no regular file: name a file with -o")
    if not force:
        raise Misuse(f"{str(path)!r} exists already: --force replaces it")


@contextmanager
def replacing(path: FilePath) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` once it is whole, and never before.

    Raises:
        Gru2npError: the place cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise Gru2npError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        # mkstemp makes a private file; a result is as readable as any other.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(target)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        # A full disk shows only here; errors without a number are not the disk's.
        if isinstance(error, OSError) and error.errno is not None:
            text = f"{target}: cannot be written: {error.strerror}"
            raise Gru2npError(text) from error
        raise
