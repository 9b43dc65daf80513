"""Targets in a process of their own: a search with Atheris, or inputs that are known.

A fault of Python is written down, once for each place in the sources, and the search
goes on; what ends the process is for whoever started it.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import json
import random
import resource
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz import CORPUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PACKAGES = ("gru2np", "gru2np_runtime")
# Of this target the edges of the C code count; Python under sanitizers is slow enough.
IN_C = "kernel"
# Until a single input counts as a hang; generous, for machines are busy.
SECONDS = 600
# A file may not be larger than this, whatever is written.
LARGEST = 1 << 30
MOST_INPUT = 1 << 16


def main() -> int:
    """Run inputs of some targets, or search with the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--inputs", type=Path, nargs="+", help="files, each an input")
    how.add_argument("--changes", type=int, help="corpus, seeds, so many changes")
    how.add_argument("--seconds", type=int, help="search for so long")
    how.add_argument("--runs", type=int, help="search, so many inputs")
    parser.add_argument("--folder", type=Path, help="of a search: corpus and faults")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.folder is None:
        with tempfile.TemporaryDirectory() as work:
            for name in options.targets:
                run_known(name, Path(work), options.inputs, options.changes)
        return 0
    limit = [f"-max_total_time={options.seconds}"]
    if options.runs is not None:
        limit = [f"-runs={options.runs}", "-seed=1"]
    search(options.targets[0], options.folder, limit)
    return 0


def corpus(name: str) -> list[Path]:
    """The inputs that are kept for a target."""
    return sorted((CORPUS / name).glob("*"))


def run_known(
    name: str, work: Path, paths: Sequence[Path] | None, changes: int | None
) -> None:
    """Run inputs of files; by default the corpus, the seeds, and changes of the seeds.

    Raises:
        BaseException: the first input that breaks a promise; it is printed.
    """
    from tests.fuzz.mutation import flipped
    from tests.fuzz.oracle import watch
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]()
    tempfile.tempdir = str(work)  # for what is unpacked
    own = watch(work)
    rng = random.Random(name)
    seeds = list(target.seeds())

    def every() -> Iterable[bytes]:
        for path in paths or corpus(name):
            yield path.read_bytes()
        for _ in range(changes or 0):
            seed = rng.choice(seeds)
            yield target.changed(seed, rng, lambda data: flipped(data, rng))

    warm(target, seeds, own)
    count = len(seeds)
    for data in every():
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            known = target.run(data, own)
        except BaseException:
            print(f"{name}, input {count}: {data[:1000]!r}", file=sys.stderr)
            raise
        if not known:
            raise ValueError(f"{name}: no place of this name: {data[:100]!r}")
        count += 1
        faulthandler.cancel_dump_traceback_later()
    print(f"{name}: {count} inputs")


def warm(target: Any, seeds: Iterable[bytes], own: Any) -> None:
    """Run the seeds, so that everything is imported; from then on nothing may be."""
    for data in seeds:
        target.run(data, own)
    own.armed = True


def search(name: str, folder: Path, limit: list[str]) -> None:
    """Search until the limits of libFuzzer; corpus and faults stay in the folder."""
    import atheris

    # libFuzzer ends the process, so nothing is cleaned up at its end.
    work, inputs, faults = (folder / part for part in ("work", "corpus", "faults"))
    for path in (work, inputs, faults):
        path.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(work)
    counted = atheris.instrument_imports(include=PACKAGES)
    with contextlib.nullcontext() if name == IN_C else counted:
        from tests.fuzz.oracle import watch
        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]()
        own = watch(work)
    seeds = list(target.seeds())
    warm(target, seeds, own)
    for data in [*map(Path.read_bytes, corpus(name)), *seeds]:
        (inputs / hashlib.sha1(data).hexdigest()).write_bytes(data)

    def one(data: bytes) -> int:
        try:
            return 0 if target.run(data, own) else -1
        except BaseException as error:
            write_fault(faults, data, error)
            return 0

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        found = target.changed(data, rng, lambda own: atheris.Mutate(own, most))
        return found[:most]

    arguments = [
        sys.argv[0],
        str(inputs),
        *limit,
        f"-max_len={MOST_INPUT}",
        f"-timeout={SECONDS}",
        "-rss_limit_mb=3072",
        f"-artifact_prefix={faults}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, one, custom_mutator=change)
    atheris.Fuzz()


def write_fault(faults: Path, data: bytes, error: BaseException) -> None:
    """Write an input down, the first of each kind of fault."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if any(f"/{name}/" in f.filename for name in PACKAGES)]
    last = (own or frames)[-1]
    text = f"{type(error).__name__} {last.filename}:{last.lineno}"
    name = hashlib.sha1(text.encode()).hexdigest()[:12]
    if not (faults / name).exists():
        (faults / name).write_bytes(data)
        said = "".join(traceback.format_exception(error))
        record: dict[str, Any] = {"where": text, "said": said[-6000:]}
        (faults / f"{name}.json").write_text(json.dumps(record, indent=1))
        print(f"fault {name}: {text}: {str(error)[:300]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
