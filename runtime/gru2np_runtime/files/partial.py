"""An output on its way: a folder beside it, from which an interrupted run goes on.

``y.npy.partial`` holds the rows so far and a journal: what the run began with, how many
rows are done, and the SHA-256 of the input rows read and of the bytes written.  A run
that goes on reads both again, so the result has the bytes of a run that was never
interrupted, or there is none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from gru2np_runtime.errors import Gru2npError
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.files.journal import JOURNAL, Journal, Part, damaged, read_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from gru2np_runtime.files.journal import Recovery
    from gru2np_runtime.files.outputs import ArraySink, TableSink
    from gru2np_runtime.layer import Array

    FilePath = str | os.PathLike[str]
    Sink = ArraySink | TableSink

# Seconds between two entries in the journal: what a killed run loses at most.
INTERVAL = 2.0
# Where the members of an .npz are joined.
WHOLE = "whole.part"


def folder_of(target: FilePath) -> Path:
    """Where the rows of an unfinished output are."""
    path = Path(target)
    return path.with_name(f"{path.name}.partial")


def check_partial(target: FilePath, recovery: Recovery | None) -> None:
    """Refuse to begin where an interrupted run's rows would be lost.

    Raises:
        Misuse: there are some, and neither ``resume`` nor ``anew`` is set; or there is
            something that no run left.
    """
    folder = folder_of(target)
    if not os.path.lexists(folder):
        return
    if (
        folder.is_symlink()
        or not folder.is_dir()
        or any(
            path.suffix != ".part" and not path.name.startswith(JOURNAL)
            for path in folder.iterdir()
        )
    ):
        raise Misuse(f"{str(folder)!r} is in the way, and no run of gru2np left it")
    if recovery is None or not (recovery.resume or recovery.anew):
        raise Misuse(
            f"{str(folder)!r} is what an interrupted run left: --resume goes on from "
            "there, --force begins anew"
        )


class _Hashed:
    """A file that hashes what it is given."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)


class _Moment(NamedTuple):
    """The end of a whole batch; one assignment, so that no interrupt halves it."""

    rows: int
    inputs: Any
    files: list[tuple[int, Any]]


class Partial:
    """The folder of an unfinished output, while a run is at it.

    When a run ends by an error, what is done stays for another.

    Attributes:
        files: as many as asked for, to write to.
        kept: rows that are safe in the folder.

    Args:
        target: the output.
        count: how many files the rows go into.
        recovery: how to go on; None where nothing can.
    """

    def __init__(self, target: FilePath, count: int, recovery: Recovery | None) -> None:
        self.target, self.folder = Path(target), folder_of(target)
        self.recovery = recovery
        self.files: list[Any] = []
        self.kept = 0
        self._paths = [self.folder / f"{i}.part" for i in range(count)]
        self._inputs = hashlib.sha256()
        self._journal: Journal | None = None
        self._moment: _Moment | None = None
        self._sink: Sink | None = None
        self._last = time.monotonic()
        self._finished = self._mine = False

    def __enter__(self) -> Partial:
        try:
            self._open()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _open(self) -> None:
        there = os.path.lexists(self.folder)
        recovery = self.recovery
        if there and recovery is not None and recovery.resume:
            self._journal = read_journal(self.folder, recovery.begun_with)
        if self._journal is None:
            if there:
                with suppress(FileNotFoundError), self._paths[0].open("rb") as old:
                    self._lock(old)
                shutil.rmtree(self.folder)
            self.folder.mkdir()
            self._mine = True
        else:
            self.kept = self._journal.rows
            if len(self._journal.files) != len(self._paths):
                raise damaged(self.folder, "its journal speaks of other files")
        for path in self._paths:
            try:
                file: Any = path.open("w+b" if self._journal is None else "r+b")
            except FileNotFoundError:
                raise damaged(self.folder, f"{path.name} is missing") from None
            self.files.append(_Hashed(file))
        self._lock(self.files[0].file)
        self._mine = True

    def _lock(self, file: BinaryIO) -> None:
        """Hold a file against other processes, where the system can."""
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(file.fileno()), self._paths[0].stat())
        except OSError:
            same = False
        if not same:
            text = f"{str(self.folder)!r} is being written by another process"
            raise Misuse(text)

    def go_on(self, sink: Sink, inputs: Callable[[int], Iterable[Array]]) -> int:
        """Rows that are done, once input and output so far have been read again.

        Args:
            sink: writes to the files; set to where it was.
            inputs: gives the first so many rows, as ``done`` was given them.

        Raises:
            InputError: the input is another, or a file is damaged.
        """
        self._sink, journal = sink, self._journal
        if journal is None:
            return 0
        for rows in inputs(journal.rows):
            self._inputs.update(_bytes(rows))
        if self._inputs.hexdigest() != journal.input_sha256:
            raise damaged(
                self.folder,
                f"begun with another input: the first {journal.rows} rows differ",
            )
        for hashed, part in zip(self.files, journal.files):
            _read_again(hashed, part.bytes)
            if hashed.sha256.hexdigest() != part.sha256:
                raise damaged(self.folder, "its rows are not those it should hold")
        for hashed, part in zip(self.files, journal.files):
            hashed.file.truncate(part.bytes)
            hashed.file.seek(part.bytes)
        sink.go_on(journal.outputs, journal.rows)
        self._note(journal.rows)
        return journal.rows

    def done(self, rows: int, inputs: Iterable[Array]) -> None:
        """So many rows are written, the last of them from those of ``inputs``."""
        if self.recovery is None:
            return
        for part in inputs:
            self._inputs.update(_bytes(part))
        self._note(rows)
        if time.monotonic() - self._last > INTERVAL:
            self._save()

    def _note(self, rows: int) -> None:
        files = [(h.file.tell(), h.sha256.copy()) for h in self.files]
        self._moment = _Moment(rows, self._inputs.copy(), files)

    def _save(self) -> None:
        """Write the journal, after the rows that it speaks of."""
        moment, recovery, sink = self._moment, self.recovery, self._sink
        if moment is None or recovery is None or sink is None:
            return
        for hashed in self.files:
            hashed.file.flush()
            os.fsync(hashed.file.fileno())
        files = [Part(end, sha256.hexdigest()) for end, sha256 in moment.files]
        begun_with, inputs = recovery.begun_with, moment.inputs.hexdigest()
        Journal(begun_with, moment.rows, inputs, files, sink.written()).write(
            self.folder
        )
        self.kept = moment.rows
        self._last = time.monotonic()

    def finish(
        self, join: Callable[[BinaryIO, Sequence[BinaryIO]], None] | None
    ) -> None:
        """The output takes its place.

        Args:
            join: makes one file of several; not needed for one.
        """
        result = self._paths[0]
        files = [hashed.file for hashed in self.files]
        if join is not None:
            result = self.folder / WHOLE
            with result.open("wb") as whole:
                join(whole, files)
        for file in files:
            file.flush()
        if os.name == "nt":
            self._close()
        # The lock is held until the name is gone, so that nobody goes on with it.
        result.replace(self.target)
        self._finished = True

    def _close(self) -> None:
        for hashed in self.files:
            # What a full disk did not take is not in the journal.
            with suppress(OSError):
                hashed.file.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Bad data would be bad again; a run of hours is in the journal all the same.
        if not self._finished and not isinstance(error, Gru2npError):
            with suppress(OSError, ValueError):
                self._save()
        self._close()
        if self._mine and (self._finished or not self.kept):
            shutil.rmtree(self.folder, ignore_errors=True)


def _bytes(rows: Array) -> Any:
    return np.ascontiguousarray(rows).reshape(-1).view("uint8").data


def _read_again(hashed: _Hashed, size: int) -> None:
    """Hash the first bytes of a file."""
    left = size
    hashed.file.seek(0)
    while left:
        data = hashed.file.read(min(left, 1 << 20))
        if not data:
            return
        hashed.sha256.update(data)
        left -= len(data)
