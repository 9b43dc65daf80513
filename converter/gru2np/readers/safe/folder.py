"""Files of one directory, by exact name.

The user chose the directory, and hubs store files elsewhere and link to them, so a
link to a regular file is followed.  Files may refer to other files by a bare name in
that directory, never by a path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.window import Window
from gru2np.readers.source import LFS_POINTER

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path


class SafeFolder:
    """A directory; each file is opened once, on first use."""

    def __init__(self, path: Path, where: str) -> None:
        self.where = where
        self._path = path
        self._windows: dict[str, Window] = {}
        self._files: dict[tuple[int, int], str] = {}

    def has(self, name: str) -> bool:
        """Whether there is a regular file by this name."""
        return (self._path / name).is_file()

    def read(self, name: str, most: int, stack: ExitStack) -> bytes:
        """The bytes of a small file."""
        window = self.window(name, stack)
        if window.size > most:
            where = f"{self.where} member {name}".lstrip()
            raise broken(where, f"at most {most} bytes", str(window.size))
        return window.at(0, most)

    def window(self, name: str, stack: ExitStack) -> Window:
        """A file, closed with the stack."""
        if name not in self._windows:
            if not self.has(name):  # a pipe or a device may never end
                exists = (self._path / name).exists()
                got = "something that is no regular file" if exists else "no such file"
                advice = "the directory is incomplete, save or fetch it again"
                raise broken(self.where or name, f"a file {name}", got, advice)
            file = stack.enter_context((self._path / name).open("rb"))
            status = os.fstat(file.fileno())
            # Several names for one file would multiply the bytes that are read.
            other = self._files.setdefault((status.st_dev, status.st_ino), name)
            if other != name:
                expected = f"a file of its own by the name {name}"
                raise broken(self.where or name, expected, f"{other} again")
            window = Window(file)
            if window.at(0, len(LFS_POINTER)) == LFS_POINTER:
                where = f"{self.where} member {name}".lstrip()
                got, advice = "a Git LFS pointer", "fetch the file: git lfs pull"
                raise broken(where, "the file itself", got, advice)
            self._windows[name] = window
        return self._windows[name]

    def windows(self) -> list[Window]:
        """All files opened so far, in the order of their names."""
        return [self._windows[name] for name in sorted(self._windows)]


def bare_name(value: object, where: str) -> str:
    """The name of a file in the same directory, from inside another file.

    Raises:
        ModelFileError: it is not a bare name.
    """
    bare = (
        isinstance(value, str)
        and value.isprintable()
        and not set(value) & set("/\\:")
        and value.strip(".")
    )
    if not isinstance(value, str) or not bare:
        advice = (
            "such a name points outside the directory: save the model again with "
            'model.save("model.keras")'
        )
        raise broken(where, "the bare name of a file", shown(value), advice)
    return value
