"""Strings of variable length, read without the HDF5 library.

Such a string is a length and a position in a heap.  The HDF5 library allocates the
length that a file declares (up to 4 GB), and then copies the object in the heap, even
if it is longer.  So they are read here, by the HDF5 File Format Specification: IV.A.1
object headers, IV.A.2.m attribute messages, III.E the global heap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.readers.safe.json_text import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.readers.safe.window import Window

MOST_BLOCKS = 1000

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_SHARED = 2


class TextAttributes:
    """The attributes of variable length of one file.

    Anything inconsistent raises a ValueError.
    """

    def __init__(self, window: Window, base: int, sizes: tuple[int, int]) -> None:
        self._window = window
        self._base = base
        self._address_bytes, self._length_bytes = sizes
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        # In honest files headers and heaps are read two or three times; crafted ones
        # overlap, and are read without end.
        self._left = (1 << 20) + 8 * window.size

    def read(self, header: int, name: bytes, count: int) -> list[bytes]:
        """The strings of an attribute of the object whose header is at an address."""
        for kind, flags, body in self._messages(header):
            if kind == _ATTRIBUTE:
                if flags & _SHARED:
                    raise ValueError("an attribute shared between objects")
                attribute, data = _attribute(body)
                if attribute == name:
                    return self._strings(data, count)
        raise ValueError("attributes outside the object's header")

    def _strings(self, data: bytes, count: int) -> list[bytes]:
        step = 4 + self._address_bytes + 4
        if len(data) < count * step:
            raise ValueError(f"{count} strings declared, {len(data) // step} present")
        fields = [
            (
                _number(data[i : i + 4]),
                _number(data[i + 4 : i + step - 4]),
                _number(data[i + step - 4 : i + step]),
            )
            for i in range(0, count * step, step)
        ]
        # Any number of names can point to one long string, so add the lengths first.
        total = sum(length for length, _, _ in fields)
        if total > MOST_BYTES:
            raise ValueError(f"{total} bytes of text, at most {MOST_BYTES} fit")
        return [self._string(*field) for field in fields]

    def _string(self, length: int, heap: int, index: int) -> bytes:
        if length == 0:
            return b""
        if heap not in self._heaps:
            self._heaps[heap] = dict(self._objects(heap))
        start, size = self._heaps[heap].get(index, (0, 0))
        if length > size:
            raise ValueError(f"text of {length} bytes where the heap holds {size}")
        # HDF5 and h5py end a string at a zero byte.
        return self._bytes(start, length).partition(b"\0")[0]

    def _objects(self, heap: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The objects of a heap: (index, (address, size))."""
        header = _padded(8 + self._length_bytes)
        start = self._bytes(heap, header)
        size = _number(start[8 : 8 + self._length_bytes])
        if start[:5] != b"GCOL\x01":
            raise ValueError("text that points to no heap")
        data = self._bytes(heap, size)
        offset = header
        while offset + header <= size:
            index = _number(data[offset : offset + 2])
            length = _number(data[offset + 8 : offset + 8 + self._length_bytes])
            if index == 0:  # the free space at the end
                return
            yield index, (heap + offset + header, length)
            offset += header + _padded(length)

    def _messages(self, header: int) -> Iterator[tuple[int, int, bytes]]:
        """The messages of an object header: (type, flags, body)."""
        start = self._bytes(header, 16)
        version_2 = start[:4] == b"OHDR"
        if version_2:
            flags = start[5]
            offset = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            size = _number(self._bytes(header + offset, width))
            blocks = [self._bytes(header + offset + width, size)]
            head = 6 if flags & 4 else 4
        else:
            blocks = [self._bytes(header + 16, _number(start[8:12]))]
            head = 8
        for number, block in enumerate(blocks):  # continuations are appended
            if number > MOST_BLOCKS:
                raise ValueError("an object header without end")
            offset = 0
            while offset + head <= len(block):
                if version_2:
                    kind, flags = block[offset], block[offset + 3]
                    size = _number(block[offset + 1 : offset + 3])
                else:
                    kind = _number(block[offset : offset + 2])
                    size = _number(block[offset + 2 : offset + 4])
                    flags = block[offset + 4]
                body = block[offset + head : offset + head + size]
                if kind == _CONTINUATION:
                    blocks.append(self._continuation(body, version_2))
                yield kind, flags, body
                offset += head + size

    def _continuation(self, body: bytes, version_2: bool) -> bytes:
        split = self._address_bytes
        address = _number(body[:split])
        size = _number(body[split : split + self._length_bytes])
        block = self._bytes(address, size)
        return block[4:-4] if version_2 else block  # without signature and checksum

    def _bytes(self, address: int, size: int) -> bytes:
        start = self._base + address
        if start + size > self._window.size:
            raise ValueError(f"{size} bytes at {start}, beyond the end")
        self._left -= size
        if size > 2 * MOST_BYTES or self._left < 0:
            raise ValueError("more text and headers than the file can hold")
        return self._window.at(start, size)


def _attribute(body: bytes) -> tuple[bytes, bytes]:
    """The name and the data of an attribute message."""
    version = body[0]
    name, kind, space = (_number(body[i : i + 2]) for i in (2, 4, 6))
    if version not in (1, 2, 3) or (version > 1 and body[1]):
        raise ValueError(f"an attribute of version {version} with a shared type")
    start = 9 if version == 3 else 8
    fields = [_padded(size) if version == 1 else size for size in (name, kind, space)]
    text = body[start : start + name].partition(b"\0")[0]
    return text, body[start + sum(fields) :]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _padded(size: int) -> int:
    return -(-size // 8) * 8
