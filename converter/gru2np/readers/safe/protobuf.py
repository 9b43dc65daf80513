"""Protocol buffers, read field by field without generated classes.

The wire format (protobuf.dev, "Encoding"): a message is a sequence of tags and values,
a tag being ``field number * 8 + wire type``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.readers.safe.damage import broken
from gru2np.readers.safe.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A varint of 64 bits.
_MOST_VARINT_BYTES = 10
_FIXED = {1: 8, 5: 4}
#: Fields of one message; an object graph has about twenty for each layer.
MOST_FIELDS = 100_000
#: The largest message of the format.
MOST_BYTES = 2 << 30


def varint(data: bytes, position: int, where: str) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80 and value < 1 << 64:
            return value, position + index + 1
    raise broken(where, "a varint of at most 64 bits", "none")


def _walk(
    at: Callable[[int, int], bytes], end: int, where: str
) -> Iterator[tuple[int, int | None, int, int]]:
    """Number of each field, its varint if it is one, and start and size of its bytes.

    Args:
        at: gives bytes by offset and size.
        end: of the message.
        where: for errors.

    Raises:
        ModelFileError: the message is cut short, has an unknown wire type, or has more
            fields than any model.
    """
    start, count = 0, 0
    while start < end:
        head = at(start, 2 * _MOST_VARINT_BYTES)
        tag, read = varint(head, 0, where)
        number, kind = tag >> 3, tag & 7
        count += 1
        if not number or (kind not in _FIXED and kind not in (0, 2)):
            got = f"wire type {kind}" if number else "field 0"
            raise broken(where, "a protocol buffer", got)
        if count > MOST_FIELDS:
            raise broken(where, f"at most {MOST_FIELDS} fields", "more")
        value, size = None, _FIXED.get(kind, 0)
        if kind == 0:
            value, read = varint(head, read, where)
        elif kind == 2:
            size, read = varint(head, read, where)
        start += read
        if size > end - start:
            raise broken(where, f"{size} bytes of field {number}", "the end")
        yield number, value, start, size
        start += size


def fields(data: bytes, where: str) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: an int, or the bytes of anything else."""

    def at(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    for number, value, start, size in _walk(at, len(data), where):
        yield number, at(start, size) if value is None else value


class Message:
    """The fields of a message by number.

    Args:
        data: the bytes of the message.
        where: for errors.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._where = where
        self._fields: dict[int, list[int | bytes]] = {}
        for number, value in fields(data, where):
            self._fields.setdefault(number, []).append(value)

    def number(self, field: int) -> int:
        """A number; 0 if it is absent, the default of the format."""
        value = self._fields.get(field, [0])[-1]
        if not isinstance(value, int):
            raise broken(f"{self._where} field {field}", "a number", "bytes")
        return value

    def data(self, field: int) -> bytes:
        """Bytes; none if they are absent."""
        values = self.all(field)
        return values[-1] if values else b""

    def text(self, field: int) -> str:
        """A text; empty if it is absent."""
        return self.data(field).decode()

    def all(self, field: int) -> list[bytes]:
        """The bytes of a repeated field."""
        values = []
        for value in self._fields.get(field, []):
            if isinstance(value, int):
                raise broken(f"{self._where} field {field}", "bytes", "a number")
            values.append(value)
        return values

    def messages(self, field: int) -> Iterator[Message]:
        """The messages of a repeated field."""
        for data in self.all(field):
            yield Message(data, self._where)


def parts(window: Window, where: str) -> Iterator[tuple[int, Window]]:
    """The fields of a message that may be too large for memory, as views of the file.

    Fields that are numbers are skipped.
    """
    if window.size > MOST_BYTES:
        raise broken(where, f"at most {MOST_BYTES} bytes", str(window.size))
    for number, value, start, size in _walk(window.at, window.size, where):
        if value is None:
            yield number, Window(window, start, size)
