"""The arrays of ``get_weights()``, as ``np.savez(path, *weights)`` writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from gru2np.ir import FlatStore, StoredTensor
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.window import Window

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.readers.safe.zip_archive import SafeZip

_NUMBERED = re.compile(r"arr_(0|[1-9][0-9]{0,5})\.npy", re.ASCII)
#: A header of NumPy's format is a line of some 100 bytes.
MOST_HEADER_BYTES = 4096


def is_list(names: list[str]) -> bool:
    """Whether all members of an archive are arrays."""
    return bool(names) and all(name.endswith(".npy") for name in names)


def read(archive: SafeZip, stack: ExitStack) -> FlatStore:
    """The arrays in their order, checked but not read."""
    numbers = {name: _NUMBERED.fullmatch(name) for name in archive.names}
    strange = next((name for name, match in numbers.items() if match is None), None)
    order = sorted(int(match[1]) for match in numbers.values() if match)
    if strange is not None or order != list(range(len(order))):
        got = shown(strange or archive.names[:5])
        advice = "write the list itself: np.savez(path, *model.get_weights())"
        raise broken(archive.where, "arrays arr_0, arr_1, ... in order", got, advice)
    return FlatStore(
        tuple(_array(archive, f"arr_{number}.npy", stack) for number in order),
        named=False,
    )


def _array(archive: SafeZip, name: str, stack: ExitStack) -> StoredTensor:
    where = f"{archive.where} member {name}"
    window = archive.window(name, stack)
    with reading(where):
        shape, fortran, dtype = _header(window)
        start = window.tell()
    if dtype.kind not in "biuf":
        got = "pickled objects" if dtype.hasobject else str(dtype)
        advice = "save the list as np.savez(path, *model.get_weights())"
        raise broken(where, "an array of numbers", got, advice)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if window.size - start != size:
        got = f"{window.size - start} bytes"
        raise broken(where, f"{size} bytes for an array {shape}", got)

    def array() -> np.ndarray[Any, Any]:
        numbers = np.frombuffer(window.at(start, size), dtype)
        numbers = numbers.reshape(shape, order="F" if fortran else "C")
        return np.ascontiguousarray(numbers.astype(dtype.newbyteorder("="), copy=False))

    return StoredTensor(name.removesuffix(".npy"), shape, dtype.name, array)


def _header(window: Window) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype; leaves the window's position after the header."""
    view = Window(window)
    view.most = MOST_HEADER_BYTES
    file = cast("BinaryIO", view)
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    header = readers[version](file)
    window.seek(view.tell())
    return header
