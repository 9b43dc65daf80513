"""What no input may do: run, open or fetch something, take memory, or fail in silence.

A hook cannot be removed, so ``watch`` is for a process of its own.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import resource
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gru2np
import gru2np_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

# What one input may take, in bytes and in seconds of the processor.
MOST_MEMORY = 256 << 20
MOST_SECONDS = 20.0
# A message is for people.
MOST_TEXT = 20_000

# Events of ``sys.audit`` that no file may cause, by the begin of their names.
FORBIDDEN = (
    *("compile", "exec", "marshal", "pickle", "import", "code.", "cpython.run"),
    *(
        "ctypes.dlopen",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
    ),
    *("os.system", "os.putenv", "os.chmod", "os.link", "os.symlink", "os.rename"),
    *("os.truncate", "os.kill", "pty", "shutil", "socket", "subprocess", "urllib"),
    *("http", "ftplib", "smtplib", "webbrowser", "sqlite3", "winreg"),
)
# And those that name a path, which must be in the folder of the input.
PATHS = ("open", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir")


PACKAGES = (*gru2np.__path__, *gru2np_runtime.__path__)


class Fault(BaseException):
    """An input that breaks a promise; no reader can take it for damage of a file."""


class Watch:
    """What happens while an input is run.

    Args:
        folder: the only one that may be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._path = str(self.folder)
        # Until what is imported and opened once is there.
        self.armed = False
        self.active = False
        self.seen: list[str] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """For ``sys.addaudithook``."""
        if not self.active or self._allows(event, arguments):
            return
        self.active = False
        what = f"{event} {arguments!r}"[:500]
        self.seen.append(what)
        raise Fault(what)

    def _allows(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event not in PATHS:
            return not event.startswith(FORBIDDEN) or _is_parsed(event, arguments)
        path = arguments[0]
        # A number is a file that is open already, None the current folder.
        if isinstance(path, int) or _inside(path, self._path):
            return True
        # Tables of the packages themselves are read when they are needed.
        reads = event == "open" and arguments[1] in ("r", "rb")
        return reads and any(_inside(path, own) for own in PACKAGES)


def _inside(path: Any, folder: str) -> bool:
    path = os.path.abspath(os.fsdecode("." if path is None else path))  # noqa: PTH100
    return path == folder or path.startswith(folder + os.sep)


def _is_parsed(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether it is ``ast.literal_eval``, which runs nothing, of an array's header."""
    return event == "compile" and arguments[1] == "<unknown>"


def watch(folder: Path) -> Watch:
    """A hook for this process, with every module of both packages imported."""
    for name in ("utf_8_sig", "latin_1", "ascii", "idna"):
        importlib.import_module(f"encodings.{name}")
    for package in (gru2np_runtime, gru2np):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found = Watch(folder)
    sys.addaudithook(found.hook)
    return found


@contextmanager
def promises(own: Watch) -> Iterator[None]:
    """Run an input; it is over at the end of the block.

    Raises:
        Fault: it did what none may do.
    """
    before, began = _memory(), _processor()
    own.seen.clear()
    own.active = own.armed
    try:
        yield
    finally:
        own.active = False
    if own.seen:  # and something swallowed the fault
        raise Fault(own.seen[0])
    taken = _memory() - before
    if taken > MOST_MEMORY:
        raise Fault(f"takes {taken >> 20} MB")
    spent = _processor() - began
    if spent > MOST_SECONDS:
        raise Fault(f"takes {spent:.0f} s")


def said(source: object) -> None:
    """Check the text of an error or a report: there is one, and a terminal can show it.

    Raises:
        Fault: there is none, or it has control characters.
    """
    text, name = str(source), type(source).__name__
    if not text.strip() or len(text) > MOST_TEXT:
        raise Fault(f"{name} with a text of {len(text)} characters")
    if not all(line.isprintable() for line in text.split("\n")):
        raise Fault(f"{name} with control characters: {text[:500]!r}")


def _processor() -> float:
    """Seconds of the processor that this process took; a busy machine adds none."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory() -> int:
    """The most memory that this process ever had, in bytes; touched or not."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # only what was touched, in bytes on macOS
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
    return int(status.partition("VmPeak:")[2].split()[0]) << 10
