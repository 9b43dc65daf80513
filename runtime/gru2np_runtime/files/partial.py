"""A partial output, from which an interrupted run can be resumed.

``y.npy.partial`` is a folder next to the output ``y.npy``.  It holds the finished rows
and a journal: the conditions of the run, the number of rows that are safe on disk, and
the SHA-256 of their input rows.  A resumed run reads those input rows again, so it
gives the bytes of a run without interruption, or it is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.files.outputs import RowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gru2np_runtime.layer import Array

    FilePath = str | os.PathLike[str]

JOURNAL = "journal.json"
# Seconds between two writes of the journal; a killed run loses at most this.
INTERVAL = 2.0


def folder_of(target: FilePath) -> Path:
    """The folder of a partial output."""
    path = Path(target)
    return path.with_name(f"{path.name}.partial")


def check_partial(target: FilePath, *, resume: bool, force: bool) -> None:
    """Check that a run would not delete the rows of an interrupted one.

    Raises:
        Misuse: there are rows of an interrupted run, and neither ``resume`` nor
            ``force`` is set; or something else has the name of the folder.
    """
    folder = folder_of(target)
    if not os.path.lexists(folder):
        return
    if (
        folder.is_symlink()
        or not folder.is_dir()
        or any(map(_foreign, folder.iterdir()))
    ):
        raise Misuse(
            f"{str(folder)!r} exists, and no run of gru2np made it: remove it, or "
            "name another output"
        )
    kept = (folder / JOURNAL).exists()
    if kept and not resume and not force:
        raise Misuse(
            f"{str(folder)!r} is from an interrupted run: --resume continues it, "
            "--force starts again"
        )


def _foreign(path: Path) -> bool:
    return path.suffix != ".part" and not path.name.startswith(JOURNAL)


def bundle_conditions(bundle: FilePath) -> dict[str, str]:
    """The conditions apart from the input that decide the bytes of the output."""
    from gru2np_runtime.kernels.c.library import describe
    from gru2np_runtime.version import __version__

    sha256 = hashlib.sha256()
    with open(bundle, "rb") as file:  # noqa: PTH123
        while data := file.read(1 << 20):
            sha256.update(data)
    return {
        "bundle": sha256.hexdigest(),
        "gru2np_runtime": __version__,
        "NumPy": np.__version__,
        "kernel": describe().split(": ")[-1],
    }


class Partial:
    """The folder of a partial output, while a run writes to it.

    Attributes:
        writers: one for each array, each with its own file.
        kept: the number of rows that a later run can continue from.

    Args:
        target: path of the output.
        count: the number of its arrays.
        conditions: of the run, by name, which must be equal to resume it; None if it
            cannot be resumed.
        resume: continue an interrupted run if there is one.
    """

    def __init__(
        self,
        target: FilePath,
        count: int,
        conditions: Mapping[str, str] | None,
        *,
        resume: bool,
    ) -> None:
        self.target, self.folder = Path(target), folder_of(target)
        self.writers: list[RowWriter] = []
        self.kept = 0
        self._paths = [self.folder / f"{i}.part" for i in range(count)]
        self._conditions, self._resume = conditions, resume
        # Of the finished input rows, now and in the interrupted run.
        self._sha256, self._sha256_before = hashlib.sha256(), ""
        # Rows and hash in one tuple, so that an interrupt cannot separate them.
        self._done: tuple[int, Any] = 0, self._sha256
        self._saved = time.monotonic()
        self._finished = False

    def __enter__(self) -> Partial:
        """Open the files.

        Raises:
            InputError: the journal is damaged, or its conditions differ.
            Misuse: another process writes to the folder.
        """
        self.folder.mkdir(exist_ok=True)
        try:
            for path in self._paths:
                self.writers.append(RowWriter(_locked(path)))
            if self._resume:
                self._read_journal()
            if not self.kept:
                (self.folder / JOURNAL).unlink(missing_ok=True)
                for writer in self.writers:
                    writer.file.truncate()
        except BaseException:
            self._close()
            raise
        return self

    def _read_journal(self) -> None:
        """Read the journal, unless the run was killed before it wrote one."""
        try:
            entry: Any = json.loads((self.folder / JOURNAL).read_text("utf-8"))
            conditions, rows = dict(entry["conditions"]), int(entry["rows"])
            self._sha256_before = entry["input_sha256"]
            if rows < 1:
                raise ValueError
        except FileNotFoundError:
            return
        # Damaged text raises many kinds of errors.
        except Exception:
            raise self._refusal("its journal cannot be read") from None
        for name, now in (self._conditions or {}).items():
            if conditions.get(name) != now:
                before = conditions.get(name)
                raise self._refusal(f"expected {name} {before}, got {now}")
        self.kept = rows

    def _refusal(self, reason: str) -> InputError:
        return InputError(
            f"{self.folder}: cannot be resumed: {reason}: start again with --force"
        )

    def skip(self, inputs: Callable[[int], Iterable[Array]]) -> int:
        """Continue after the rows of an interrupted run; returns their number.

        Args:
            inputs: gives that many first rows, in the arrays that ``done`` got.

        Raises:
            InputError: the input rows differ, or a file is damaged.
        """
        if not self.kept:
            return 0
        for array in inputs(self.kept):
            self._sha256.update(_bytes(array))
        if self._sha256.hexdigest() != self._sha256_before:
            reason = f"the first {self.kept} rows of the input changed"
            raise self._refusal(reason)
        for path, writer in zip(self._paths, self.writers):
            try:
                writer.resume(self.kept)
            except InputError:
                raise self._refusal(f"{path.name} is damaged") from None
        self._done = self.kept, self._sha256.copy()
        return self.kept

    def done(self, rows: int, inputs: Iterable[Array]) -> None:
        """Record that this many rows are written, the last of them from ``inputs``."""
        if self._conditions is None:
            return
        for array in inputs:
            self._sha256.update(_bytes(array))
        self._done = rows, self._sha256.copy()
        if time.monotonic() - self._saved > INTERVAL:
            self._save()

    def _save(self) -> None:
        """Write the journal, after its rows are safe on disk."""
        rows, sha256 = self._done
        if not rows or self._conditions is None:
            return
        for writer in self.writers:
            writer.file.flush()
            os.fsync(writer.file.fileno())
        entry = {
            "conditions": dict(self._conditions),
            "rows": rows,
            "input_sha256": sha256.hexdigest(),
        }
        new = self.folder / f"{JOURNAL}.new"
        new.write_text(json.dumps(entry, indent=1) + "\n", "utf-8")
        new.replace(self.folder / JOURNAL)
        self.kept, self._saved = rows, time.monotonic()

    def finish(
        self, join: Callable[[Sequence[RowWriter], BinaryIO], None] | None
    ) -> None:
        """Move the output to its path.

        Args:
            join: writes the arrays into one file; None for a single ``.npy``.
        """
        whole = self._paths[0]
        if join is not None:
            whole = self.folder / "whole.part"
            with whole.open("wb") as file:
                join(self.writers, file)
        for writer in self.writers:
            writer.file.flush()
        if os.name == "nt":
            self._close()
        # Elsewhere the lock is held until the file is moved.
        whole.replace(self.target)
        self._finished = True

    def _close(self) -> None:
        for writer in self.writers:
            # Rows that a full disk lost are not in the journal.
            with suppress(OSError):
                writer.file.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # After an error in the data a resumed run would fail again.
        if not self._finished and not isinstance(error, Gru2npError):
            with suppress(OSError, ValueError):
                self._save()
        self._close()
        if self._finished or not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _locked(path: Path) -> BinaryIO:
    """A file, locked against other processes if the system supports it.

    Raises:
        Misuse: another process has locked it.
    """
    path.touch()
    file: BinaryIO = path.open("r+b")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # If the run that had the lock has finished, this file is its output.
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise FileNotFoundError
    except ImportError:
        pass
    except OSError:
        file.close()
        folder = str(path.parent)
        raise Misuse(f"{folder!r} is being written by another process") from None
    return file


def _bytes(array: Array) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view("uint8").data
