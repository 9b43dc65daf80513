"""Protocol buffers, read field by field without generated classes.

The wire format (protobuf.dev, "Encoding"): a message is a sequence of tags and values,
a tag being ``field number * 8 + wire type``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.readers.safe.damage import broken
from gru2np.readers.safe.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A varint of 64 bits.
_MOST_VARINT_BYTES = 10
_FIXED = {1: 8, 5: 4}


def varint(data: bytes, position: int, where: str) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise broken(where, "a varint", f"none at byte {position}")


def fields(data: bytes, where: str) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: an int, or the bytes of anything else.

    Raises:
        ModelFileError: the message is cut short, or has a wire type out of use.
    """
    position = 0
    while position < len(data):
        tag, position = varint(data, position, where)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = varint(data, position, where)
            yield number, value
            continue
        size = _FIXED.get(kind)
        if kind == 2:
            size, position = varint(data, position, where)
        if size is None:
            raise broken(where, "a protocol buffer", f"wire type {kind}")
        if size > len(data) - position:
            raise broken(where, f"{size} bytes of field {number}", "the end")
        yield number, data[position : position + size]
        position += size


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
        """A number; 0 if it is absent, as the format has it."""
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
        """The bytes of a field that may stand several times."""
        values = []
        for value in self._fields.get(field, []):
            if isinstance(value, int):
                raise broken(f"{self._where} field {field}", "bytes", "a number")
            values.append(value)
        return values

    def messages(self, field: int) -> Iterator[Message]:
        """The messages of a field that may stand several times."""
        for data in self.all(field):
            yield Message(data, self._where)


def parts(window: Window, where: str) -> Iterator[tuple[int, Window]]:
    """The fields of a message that may be too large to hold: each where it lies.

    Numbers are left out.
    """
    position = 0
    while position < window.size:
        head = window.at(position, 2 * _MOST_VARINT_BYTES)
        tag, read = varint(head, 0, where)
        kind = tag & 7
        if kind == 0:
            _, read = varint(head, read, where)
            position += read
            continue
        size = _FIXED.get(kind)
        if kind == 2:
            size, read = varint(head, read, where)
        if size is None:
            raise broken(where, "a protocol buffer", f"wire type {kind}")
        if size > window.size - position - read:
            raise broken(where, f"{size} bytes of field {tag >> 3}", "the end")
        yield tag >> 3, Window(window, position + read, size)
        position += read + size
