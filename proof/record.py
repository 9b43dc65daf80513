"""What is done by now, on disk: a line of JSON for each piece."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from proof import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# What a result hangs on.
SOURCES = ("converter", "runtime", "tests", "proof", "release", "fixtures")
SUFFIXES = {".py", ".c", ".h", ".json", ".h5", ".keras", ".npz"}


def state() -> str:
    """A digest of the sources and the fixtures."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class Record:
    """Results by the name of their piece.

    Of other sources than those of now it is begun anew.
    """

    def __init__(self, path: Path, state: str) -> None:
        self.path = path
        self.results: dict[str, dict[str, Any]] = {}
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        if lines[:1] == [state]:
            for line in lines[1:]:
                try:
                    result = json.loads(line)
                except ValueError:
                    continue  # It was being written when the machine stopped.
                self.results[result["piece"]] = result
        # Written whole, so that half a line at the end is gone.
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [json.dumps(result) for result in self.results.values()]
        path.write_text("\n".join([state, *kept, ""]), "utf-8")

    def add(self, result: dict[str, Any]) -> None:
        """Keep a result, on disk before anything else is done."""
        self.results[result["piece"]] = result
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
