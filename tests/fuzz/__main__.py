"""``python -m tests.fuzz``: every target for some minutes, and a table of results."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gru2np_runtime import build
from gru2np_runtime.text import table
from tests.fuzz import ABOUT, ROOT

# The widest vectors run on every machine, if slowly.
SANITIZED = (
    *("-O0", "-g1", "-DGRU2NP_EMULATE", "-fno-sanitize-recover=all"),
    "-fsanitize=address,undefined,fuzzer-no-link",
)
# Python keeps what it has; to remember where it was taken is slow.
ASAN = "detect_leaks=0:malloc_context_size=1:quarantine_size_mb=32"
# After so many crashes of the process a target is given up.
MOST_CRASHES = 20
FOLDER = ROOT / "build" / "fuzz"


class Result(NamedTuple):
    """What became of a target.

    Attributes:
        runs: inputs that were run.
        edges: of the sources, that they reached.
        faults: inputs that broke a promise, by name of their file.
        remark: why it did not run; empty if it did.
    """

    runs: int = 0
    edges: int = 0
    faults: tuple[Path, ...] = ()
    remark: str = ""


def main() -> int:
    """Fuzz; 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of each target")
    parser.add_argument("--only", choices=ABOUT, help="one target")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    if find_spec("atheris") is None:
        print("no Atheris here: it has wheels for CPython from 3.11 on Linux, x86-64")
        return 2
    results = {}
    for name in [options.only] if options.only else ABOUT:
        print(f"{name}: {ABOUT[name]}", file=sys.stderr, flush=True)
        results[name] = fuzz(name, options.folder / name, options.minutes * 60)
    print("\n".join(rows(results)))
    for result in results.values():
        for path in result.faults:
            print(f"\n{path}\n{about(path)}")
    return 1 if any(result.faults for result in results.values()) else 0


def fuzz(name: str, folder: Path, seconds: float) -> Result:
    """Run a target for so long; a process that ends early is started again."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ}
    if name == "kernel":
        remark = sanitized(folder, environment)
        if remark:
            return Result(remark=remark)
    end, runs, edges = time.monotonic() + seconds, 0, 0
    for _ in range(MOST_CRASHES):
        left = int(end - time.monotonic())
        if left < 1:
            break
        command = [sys.executable, "-m", "tests.fuzz.worker", name]
        command += ["--seconds", str(left), "--folder", str(folder)]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                command,
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        said = (folder / "log").read_text("utf-8", "replace")
        counts = re.findall(r"^#(\d+)\t.* cov: (\d+)", said, re.MULTILINE)
        if not counts:
            return Result(runs, edges, remark=said.strip()[-300:])
        runs += int(counts[-1][0])
        edges = max(edges, int(counts[-1][1]))
    faults = sorted(
        path for path in (folder / "faults").iterdir() if path.suffix != ".json"
    )
    return Result(runs, edges, tuple(faults))


def sanitized(folder: Path, environment: dict[str, str]) -> str:
    """Build the kernel under sanitizers, for a process of this environment.

    Returns:
        Why there is none; empty if there is.
    """
    import atheris

    library = folder / build.NAME
    command = ["clang", *build.OPTIONS, *build.POSITION_INDEPENDENT, *SANITIZED]
    command += [str(build.FOLDER / "kernel.c"), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "needs clang, for coverage and sanitizers of the C kernel"
    if done.returncode:
        return done.stderr.strip()[-300:]
    environment["GRU2NP_FUZZ_LIBRARY"] = str(library)
    environment["ASAN_OPTIONS"] = ASAN
    environment["LD_PRELOAD"] = str(Path(atheris.path()) / "asan_with_fuzzer.so")
    return ""


def rows(results: dict[str, Result]) -> list[str]:
    """The lines of the table."""
    cells = [
        (
            name,
            ABOUT[name],
            f"{result.runs:,}",
            f"{result.edges:,}",
            result.remark or f"{len(result.faults)}",
        )
        for name, result in results.items()
    ]
    return table(("target", "fuzzed", "inputs", "edges", "faults"), cells, right={2, 3})


def about(path: Path) -> str:
    """What is known of a fault, and how to see it again."""
    name = path.parent.parent.name
    again = f"again: python -m tests.fuzz.worker {name} --inputs {path}"
    record = path.with_suffix(".json")
    if record.exists():
        return f"{json.loads(record.read_text())['said'].strip()[-2000:]}\n{again}"
    return again


if __name__ == "__main__":
    sys.exit(main())
