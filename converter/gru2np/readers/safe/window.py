"""A read-only view of a part of a file, with a limit on each read."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

BLOCK = 1 << 20


class Window(io.RawIOBase):
    """The bytes from ``start`` on, as a file object.

    The checks, the hash and every library read the same open file, so they see the
    same bytes.  A stored member of an archive is read in place.  Closing a window
    leaves the file open.

    Attributes:
        size: bytes in view.
        most: the largest single read allowed; a crafted header can cause a larger one.
    """

    def __init__(
        self, file: BinaryIO | Window, start: int = 0, size: int | None = None
    ) -> None:
        end = file.seek(0, os.SEEK_END)
        self._file = file
        self._start = start
        self._position = 0
        self.size = end - start if size is None else size
        self.most: int | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as in any file; the end is the end of the view."""
        origin = {os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence, 0)
        if origin + offset < 0:
            raise OSError(f"position {origin + offset} is before the start")
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """The position within the view."""
        return self._position

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes, or all that are left."""
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if self.most is not None and wanted > self.most:
            raise OSError(f"{wanted} bytes asked for at once, at most {self.most} fit")
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted) or b""
        self._position += len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer, or what can be filled before the end."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self.size - self._position))
        self._file.seek(self._start + self._position)
        filled = 0
        while filled < wanted:
            count = self._file.readinto(view[filled:wanted])  # type: ignore[union-attr]
            if not count:
                break
            filled += count
        self._position += filled
        return filled

    def at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at an offset, fewer at the end."""
        self.seek(offset)
        return self.read(size)

    def blocks(self) -> Iterator[bytes]:
        """All bytes, a block at a time."""
        offset = 0
        while block := self.at(offset, BLOCK):
            yield block
            offset += len(block)


def sha256(*windows: Window) -> str:
    """The SHA-256 of one file, or of several joined."""
    digest = hashlib.sha256()
    for window in windows:
        for block in window.blocks():
            digest.update(block)
    return digest.hexdigest()
