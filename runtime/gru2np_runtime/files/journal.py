"""The journal of an unfinished output: what a run began with, and how far it is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    FilePath = str | os.PathLike[str]

FORMAT = "gru2np partial output 1"
JOURNAL = "journal.json"


class Recovery(NamedTuple):
    """How a run stands to one that was interrupted before it.

    Attributes:
        begun_with: what must be the same for the same bytes, by name.
        resume: go on with what an interrupted run left.
        anew: remove what it left.
    """

    begun_with: Mapping[str, str]
    resume: bool = False
    anew: bool = False


def begun_with(bundle: FilePath) -> dict[str, str]:
    """All but the input that the bytes of a prediction depend on, by name."""
    from gru2np_runtime.kernels.c.library import describe
    from gru2np_runtime.version import __version__

    return {
        "bundle": sha256_of(bundle),
        "gru2np_runtime": __version__,
        "NumPy": np.__version__,
        "kernel": describe().split(": ")[-1],
    }


def sha256_of(path: FilePath) -> str:
    """The SHA-256 of a file, which need not fit into memory."""
    hashed = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        while data := file.read(1 << 20):
            hashed.update(data)
    return hashed.hexdigest()


class Part(NamedTuple):
    """One file of an unfinished output: how much of it counts, and its SHA-256."""

    bytes: int
    sha256: str


class Journal(NamedTuple):
    """An entry.

    Attributes:
        begun_with: as of ``Recovery``.
        rows: how many are done.
        input_sha256: of the bytes of those rows of the inputs, batch by batch.
        files: those of the output.
        outputs: shape and dtype of each output, all rows included.
    """

    begun_with: Mapping[str, str]
    rows: int
    input_sha256: str
    files: list[Part]
    outputs: list[tuple[tuple[int, ...], str]]

    def write(self, folder: Path) -> None:
        """Take the place of the entry before."""
        record = {
            "format": FORMAT,
            **self._asdict(),
            "begun_with": dict(self.begun_with),
            "files": [part._asdict() for part in self.files],
        }
        new = folder / f"{JOURNAL}.new"
        new.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        new.replace(folder / JOURNAL)


def read_journal(folder: Path, begun_with: Mapping[str, str]) -> Journal | None:
    """The last entry; None where a run was killed before the first.

    Raises:
        InputError: it cannot be read, or the run began with something else.
    """
    try:
        text = (folder / JOURNAL).read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise damaged(folder, "its journal cannot be read") from None
    try:
        record: dict[str, Any] = json.loads(text)
        if record["format"] != FORMAT:
            raise ValueError
        journal = Journal(
            dict(record["begun_with"]),
            int(record["rows"]),
            str(record["input_sha256"]),
            [Part(int(p["bytes"]), str(p["sha256"])) for p in record["files"]],
            [(tuple(map(int, s)), np.dtype(d).name) for s, d in record["outputs"]],
        )
        sizes = [n for shape, _ in journal.outputs for n in shape]
        if min([journal.rows, *sizes, *(part.bytes for part in journal.files)]) < 0:
            raise ValueError
    # A text that is no journal raises half a dozen kinds of error.
    except Exception:
        raise damaged(folder, "its journal cannot be read") from None
    for name, now in begun_with.items():
        if journal.begun_with.get(name) != now:
            raise InputError(
                f"{folder}: begun with {name} {journal.begun_with.get(name)}, "
                f"got {now}: the bytes would not be those of one run; begin anew "
                "with --force"
            )
    return journal


def damaged(folder: Path, what: str) -> InputError:
    """A folder from which nothing can go on."""
    return InputError(
        f"{folder}: {what}, so nothing can go on from it: begin anew with --force"
    )
