"""The sorted table in which TensorFlow lists the arrays of a checkpoint.

The format is that of LevelDB (``doc/table_format.md``): blocks of entries.  After each
block come a byte for its compression and a masked CRC-32C.  One block lists the others,
and a footer of 48 bytes has its offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import google_crc32c

from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.protobuf import varint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.readers.safe.window import Window

#: Bytes of a table, which is read into memory: about 100 for each array.
MOST_BYTES = 16 << 20
MOST_ENTRIES = 100_000
FOOTER = 48
MAGIC = 0xDB4775248B80FB57
_TRAILER = 5
_COMPRESSIONS = {1: "Snappy", 2: "zlib", 4: "zstd"}


def masked(checksum: int) -> int:
    """A CRC-32C as tables and checkpoints store it: rotated, and a constant added."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_table(window: Window) -> bool:
    """Whether a file ends as such a table does."""
    end = window.at(max(0, window.size - 8), 8)
    return int.from_bytes(end, "little") == MAGIC


def read_table(window: Window, where: str) -> dict[bytes, bytes]:
    """All entries of a table.

    Raises:
        ModelFileError: it is damaged, compressed, or larger than any model needs.
    """
    if window.size > MOST_BYTES:
        raise broken(where, f"at most {MOST_BYTES} bytes", str(window.size))
    data = window.at(0, window.size)
    if len(data) < FOOTER or not is_table(window):
        advice = "the file is cut short or no index of a checkpoint: fetch it again"
        raise broken(where, "the footer of an index", "none", advice)
    footer, position, handle = data[-FOOTER:], 0, []
    for _ in range(4):  # offset and size of the block of metadata, and of the list
        value, position = varint(footer, position, where)
        handle.append(value)
    table: dict[bytes, bytes] = {}
    last, free, unpacked = b"", 0, 0
    for _, place in _entries(_block(data, handle[2], handle[3], where), where):
        offset, position = varint(place, 0, where)
        size, _ = varint(place, position, where)
        if offset < free:
            got = f"one at byte {offset}"
            raise broken(where, "blocks one behind the other", got)
        free = offset + size + _TRAILER
        for key, entry in _entries(_block(data, offset, size, where), where):
            # A key of one byte in the file may share a million with the one before.
            unpacked += len(key)
            if table and key <= last:
                raise broken(where, "keys in order, each once", shown(key))
            if len(table) >= MOST_ENTRIES:
                raise broken(where, f"at most {MOST_ENTRIES} entries", "more")
            if unpacked > MOST_BYTES:
                raise broken(where, f"at most {MOST_BYTES} bytes of keys", "more")
            table[key] = entry
            last = key
    return table


def _block(data: bytes, offset: int, size: int, where: str) -> bytes:
    """A block, checked against its checksum."""
    end = offset + size
    if end + _TRAILER > len(data) - FOOTER:
        raise broken(where, f"a block at byte {offset}", "the end")
    if data[end]:
        name = _COMPRESSIONS.get(data[end], f"kind {data[end]}")
        raise broken(
            where,
            "blocks as TensorFlow writes them, uncompressed",
            f"{name} compression",
            "load the weights in TensorFlow, and save them again",
        )
    stored = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if masked(google_crc32c.value(data[offset : end + 1])) != stored:
        advice = "the file is damaged: fetch or save it again"
        raise broken(where, "the bytes that its checksum names", "others", advice)
    return data[offset:end]


def _entries(block: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; the file stores only the part that differs from the last key."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if len(block) < 4 or end < 0:
        raise broken(where, "a block of entries", f"{len(block)} bytes")
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position, where)
        own, position = varint(block, position, where)
        size, position = varint(block, position, where)
        if shared > len(key) or own + size > end - position:
            raise broken(where, "an entry inside its block", "the end")
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + size]
        position += size
