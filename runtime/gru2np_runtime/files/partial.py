"""An output while it is written, from which an interrupted run can be resumed.

``y.npy.partial`` is a folder beside the output ``y.npy``.  It holds the rows that are
done and a journal: what the run began with, how many rows are safe, and the SHA-256 of
the input rows that gave them.  A resumed run reads those input rows again, so it gives
the bytes of a run that was never interrupted, or it is refused.
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
# Seconds between two entries in the journal: what a killed run loses at most.
INTERVAL = 2.0


def folder_of(target: FilePath) -> Path:
    """Where the rows of an unfinished output are."""
    path = Path(target)
    return path.with_name(f"{path.name}.partial")


def check_partial(target: FilePath, *, resume: bool, force: bool) -> None:
    """Refuse to begin where the rows of an interrupted run would be lost.

    Raises:
        Misuse: there are some, and neither ``resume`` nor ``force`` is set; or
            something that no run left has the folder's name.
    """
    folder = folder_of(target)
    if not os.path.lexists(folder):
        return
    if (
        folder.is_symlink()
        or not folder.is_dir()
        or any(map(_foreign, folder.iterdir()))
    ):
        raise Misuse(f"{str(folder)!r} is in the way, and no run of gru2np left it")
    if not resume and not force:
        raise Misuse(
            f"{str(folder)!r} is what an interrupted run left: --resume continues it, "
            "--force begins anew"
        )


def _foreign(path: Path) -> bool:
    return path.suffix != ".part" and not path.name.startswith(JOURNAL)


def begun_with(bundle: FilePath) -> dict[str, str]:
    """What the bytes of a prediction depend on besides its input, by name."""
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
    """The folder of an unfinished output, while a run writes to it.

    Attributes:
        writers: one for each array, into a file of its own.
        kept: rows that are safe for a later run.

    Args:
        target: the output.
        count: how many arrays it has.
        begun_with: what must be the same for the same bytes, by name; None where no
            later run can continue this one.
        resume: continue what an interrupted run left, if it left something.
    """

    def __init__(
        self,
        target: FilePath,
        count: int,
        begun_with: Mapping[str, str] | None,
        *,
        resume: bool,
    ) -> None:
        self.target, self.folder = Path(target), folder_of(target)
        self.writers: list[RowWriter] = []
        self.kept = 0
        self._paths = [self.folder / f"{i}.part" for i in range(count)]
        self._begun_with, self._resume = begun_with, resume
        # Of the input rows that are done; that of an interrupted run.
        self._sha256, self._sha256_before = hashlib.sha256(), ""
        # Rows and hash in one value, so that no interrupt comes between them.
        self._done: tuple[int, Any] = 0, self._sha256
        self._saved = time.monotonic()
        self._finished = False

    def __enter__(self) -> Partial:
        """Open the files.

        Raises:
            InputError: the journal is damaged, or its run began with something else.
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
        """Read the last entry; a run that was killed early may have none."""
        try:
            entry: Any = json.loads((self.folder / JOURNAL).read_text("utf-8"))
            begun_with, rows = dict(entry["begun_with"]), int(entry["rows"])
            self._sha256_before = entry["input_sha256"]
            if rows < 1:
                raise ValueError
        except FileNotFoundError:
            return
        # A text that is no journal raises half a dozen kinds of error.
        except Exception:
            raise self._refusal("its journal cannot be read") from None
        for name, now in (self._begun_with or {}).items():
            if begun_with.get(name) != now:
                before = begun_with.get(name)
                raise self._refusal(f"begun with {name} {before}, got {now}")
        self.kept = rows

    def _refusal(self, reason: str) -> InputError:
        return InputError(
            f"{self.folder}: {reason}, so it cannot be resumed: begin anew with --force"
        )

    def skip(self, inputs: Callable[[int], Iterable[Array]]) -> int:
        """Continue after the rows that an interrupted run did; how many they are.

        Args:
            inputs: gives the first so many rows, in the arrays that ``done`` got.

        Raises:
            InputError: the input is another, or a file is damaged.
        """
        if not self.kept:
            return 0
        for array in inputs(self.kept):
            self._sha256.update(_bytes(array))
        if self._sha256.hexdigest() != self._sha256_before:
            reason = f"begun with another input: the first {self.kept} rows differ"
            raise self._refusal(reason)
        for path, writer in zip(self._paths, self.writers):
            try:
                writer.resume(self.kept)
            except InputError:
                raise self._refusal(f"{path.name} is damaged") from None
        self._done = self.kept, self._sha256.copy()
        return self.kept

    def done(self, rows: int, inputs: Iterable[Array]) -> None:
        """So many rows are written, the last of them from ``inputs``."""
        if self._begun_with is None:
            return
        for array in inputs:
            self._sha256.update(_bytes(array))
        self._done = rows, self._sha256.copy()
        if time.monotonic() - self._saved > INTERVAL:
            self._save()

    def _save(self) -> None:
        """Write the journal, after the rows that it counts."""
        rows, sha256 = self._done
        if not rows or self._begun_with is None:
            return
        for writer in self.writers:
            writer.file.flush()
            os.fsync(writer.file.fileno())
        entry = {
            "begun_with": dict(self._begun_with),
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
        """The output takes its place.

        Args:
            join: writes the arrays into one file; None where there is one, as it is.
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
        # Elsewhere the lock is held until the name is gone, so that nobody takes it.
        whole.replace(self.target)
        self._finished = True

    def _close(self) -> None:
        for writer in self.writers:
            # What a full disk did not take is not in the journal.
            with suppress(OSError):
                writer.file.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # Bad data would be bad again.
        if not self._finished and not isinstance(error, Gru2npError):
            with suppress(OSError, ValueError):
                self._save()
        self._close()
        if self._finished or not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _locked(path: Path) -> BinaryIO:
    """A file held against other processes, where the system can.

    Raises:
        Misuse: another process holds it.
    """
    path.touch()
    file: BinaryIO = path.open("r+b")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The run that held it may have finished: then this file is its output.
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
