"""Which files of a folder anyone opens or makes, C code included."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IN_OPEN, _IN_CREATE = 0x20, 0x100


@contextmanager
def opened_files(folder: Path) -> Iterator[set[str]]:
    """The names of files in a folder that anyone opens or makes, C code included."""
    names: set[str] = set()
    if not sys.platform.startswith("linux"):
        yield names
        return
    libc = ctypes.CDLL(None)
    events = libc.inotify_init1(os.O_NONBLOCK)
    assert events >= 0
    try:
        watch = libc.inotify_add_watch(
            events, os.fsencode(folder), _IN_OPEN | _IN_CREATE
        )
        assert watch >= 0
        yield names
        names |= set(_names(events))
    finally:
        os.close(events)


def _names(events: int) -> Iterator[str]:
    while True:
        try:
            data = os.read(events, 1 << 16)
        except BlockingIOError:
            return
        place = 0
        while place < len(data):
            *_, size = struct.unpack_from("iIII", data, place)
            name = data[place + 16 : place + 16 + size].rstrip(b"\0")
            # The folder itself being listed has none; files without a name, in which
            # members are unpacked, are called by their number.
            if name and not name.startswith(b"#"):
                yield os.fsdecode(name)
            place += 16 + size
