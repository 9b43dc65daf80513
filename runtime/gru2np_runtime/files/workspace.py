"""Folders for unfinished work: if their process was killed, the next run removes them.

A folder holds a file that its process keeps locked, and the system unlocks that file
when the process ends, however it ends.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows, where nothing tells that a process was killed
    fcntl = None  # type: ignore[assignment]

# What a folder holds: the locked file, and the folder that the work is in.
LOCK, WORK = "gru2np.lock", "work"


@contextmanager
def workspace(target: Path | None = None) -> Iterator[Path]:
    """A new folder for unfinished work, removed with the context.

    Args:
        target: what the work becomes; the folder is made beside it, so that a rename
            finishes the work.  None for the system's folder of temporary files.

    Raises:
        OSError: it cannot be made.
    """
    for _ in abandoned(target):
        pass
    folder, lock = _made(target)
    try:
        (folder / WORK).mkdir()
        yield folder / WORK
    finally:
        lock.close()
        _remove(folder)


def abandoned(target: Path | None = None) -> Iterator[Path]:
    """The folders that killed processes left, each removed when the next is asked for.

    Args:
        target: as for ``workspace``.
    """
    parent, prefix = _place(target)
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(prefix)]
    except (OSError, ValueError):  # the second for a zero byte in the path
        return
    for folder in (parent / name for name in names):
        if not _ours(folder):
            continue
        try:
            lock = (folder / LOCK).open("r+b")
        except OSError:
            with suppress(OSError):
                folder.rmdir()  # Killed before the file was there, it is empty.
            continue
        with lock:
            if _lock(lock):
                yield folder / WORK
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, last of all the file that it is known by."""
    for path in (folder / WORK, folder):
        shutil.rmtree(path, ignore_errors=True)


def _place(target: Path | None) -> tuple[Path, str]:
    """The parent of the folders, and how their names begin."""
    if target is None:
        return Path(tempfile.gettempdir()), "gru2np-work-"
    return target.parent, f".{target.name}.gru2np-"


def _ours(folder: Path) -> bool:
    """Whether it may be one of these folders; others can write to its parent too."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    return fcntl is not None and private and found.st_uid == os.getuid()


def _made(target: Path | None) -> tuple[Path, BinaryIO]:
    """A new folder and its file, locked if the system has locks."""
    parent, prefix = _place(target)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Until it is locked, another process may take the folder for abandoned.
        try:
            lock = (folder / LOCK).open("wb")
        except FileNotFoundError:
            continue
        if _lock(lock) is not False and _is_at(folder / LOCK, lock):
            return folder, lock
        lock.close()


def _lock(file: BinaryIO) -> bool | None:
    """Lock a file: False if another process has, None if the system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
