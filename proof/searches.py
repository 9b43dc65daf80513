"""What is searched, and how much: a piece of work is a subject and a seed."""

from __future__ import annotations

import fcntl
import gc
import io
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import goldens
import gru2np
from gru2np_runtime import InputError, load
from gru2np_runtime.kernels.c import library as c_library
from proof import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Cases of one piece, which takes some seconds.
ARCHITECTURES = 50
FILES = 25
# The oldest NumPy of the converter; of the runtime each Python has its own.
OLDEST_NUMPY, OLDEST_PYTHON = (1, 26, 0), (3, 10)
# Parts of all changes of the values of a configuration.
VALUES = 10
LAYERS = 50
CALLS = 2_000
STEPS = 10_000_000
MODELS = {"keras": 25, "tf_keras": 8}
MASKED = 25
# Between any two of them the rules of masks changed.
OLD_KERASES = ("keras-2.2", "tf-2.4", "tf-2.10", "tf-keras-2.21", "keras-3.15")
# Between any two of them the operations that graphs hold changed.
WITH_OPERATIONS = ("tf-2.4", "tf-2.10", "tf-keras-2.21", "keras-3.5", "keras-3.15")
# That save models as folders too.
FOLDERS = ("tf-2.4", "tf-2.10")
ENVIRONMENT = ROOT / "fixtures" / "make" / "environment.sh"
# Made by ``make proof``, with Ray and Spark.
ENGINES = ROOT / ".venv-engines"
# Bytes that they may leave behind: a leak leaves more than ten for each.
LEFT_BEHIND = 10 * CALLS
# What a process may grow by in all the steps of a stream, in kB.
GROWN = 1_000
SOAKED = (
    "keras-2.2/bidirectional",
    "keras-2.2/gru",
    "keras-3.15/gru",
    "keras-3.15/mask_bidirectional",
    "keras-3.15/mixed_stack",
    "keras-3.15/stateful_masked",
)
# Tests of some fixtures; of all with GRU2NP_EVERY_FIXTURE=1.
SAMPLED = (
    "generations/test_tables",
    "graph/test_cutting",
    "project/test_docs",
    "inspection/test_render",
    "runtime/files/test_scorer",
    "runtime/run/test_stream",
)


@dataclass(frozen=True)
class Search:
    """A long search.

    Attributes:
        about: what holds in every case, for the page.
        subjects: what every seed is tried on; none where something is not installed.
        seeds: how many, from 0.
        check: tries a subject with a seed and gives the number of cases; what it raises
            is a fault.
    """

    about: str
    subjects: Callable[[], list[str]]
    seeds: int
    check: Callable[[str, int], int]


@dataclass(frozen=True)
class Piece:
    """A subject and a seed of a search, by name."""

    search: str
    subject: str
    seed: int

    def __str__(self) -> str:
        return f"{self.search}/{self.subject}/{self.seed}"

    @classmethod
    def parse(cls, text: str) -> Piece:
        """The piece that ``str`` gave; subjects may hold slashes."""
        search, rest = text.split("/", 1)
        subject, seed = rest.rsplit("/", 1)
        return cls(search, subject, int(seed))

    def run(self) -> int:
        """How many cases it had."""
        return SEARCHES[self.search].check(self.subject, self.seed)


def pieces(only: str | None = None) -> list[Piece]:
    """All pieces, or those of one search, so mixed that any part is a sample."""
    placed = []
    for name, search in SEARCHES.items():
        if only not in (None, name):
            continue
        subjects, seeds = search.subjects(), range(search.seeds)
        own = [Piece(name, subject, seed) for seed in seeds for subject in subjects]
        random.Random(name).shuffle(own)
        placed += [(i / len(own), name, piece) for i, piece in enumerate(own)]
    return [piece for _, _, piece in sorted(placed, key=lambda row: row[:2])]


def _fixtures() -> list[str]:
    return [golden.name for golden in goldens.all_goldens()]


def _converted() -> list[str]:
    return [g.name for g in goldens.all_goldens() if not goldens.refused(g)]


def _kernels() -> list[str]:
    return ["c", "numpy"] if _library() is not None else ["numpy"]


def _library() -> object | None:
    found = c_library.open_library(c_library.LIBRARY)
    return None if isinstance(found, str) else found


def _architectures(case: str, seed: int) -> int:
    from config_fuzz import fuzz

    fuzz(goldens.FIXTURES / case, seed, ARCHITECTURES)
    return ARCHITECTURES


def _values(case: str, part: int) -> int:
    from config_fuzz import sweep

    return sweep(goldens.FIXTURES / case, part, VALUES)


def _files(case: str, seed: int) -> int:
    """Bytes changed, cut off or repeated in one of the files of a model."""
    rng = random.Random(f"{case} {seed}")
    for _ in range(FILES):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(goldens.FIXTURES / case, Path(folder) / "case")
            model, weights = goldens.Golden(Path(folder) / "case").files()
            files = [path for path in (model, weights) if path and path.is_file()]
            files += [path for path in sorted(model.rglob("*")) if path.is_file()]
            path = rng.choice(files)
            path.write_bytes(_damaged(path.read_bytes(), rng))
            with suppress(gru2np.Gru2npError):
                gru2np.export(model, io.BytesIO(), weights=weights)
    return FILES


def _damaged(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    kind = rng.randrange(6)
    place = rng.randrange(len(damaged))
    if kind == 0:
        return bytes(damaged[:place])
    if kind == 1:
        end = min(len(damaged), place + rng.randrange(1, 64))
        damaged[place:place] = damaged[place:end]
    else:
        for _ in range(rng.choice((1, 1, 2, 16))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _has_keras() -> bool:
    return find_spec("tensorflow") is not None and find_spec("tf_keras") is not None


def _kinds_of_models() -> list[str]:
    from random_models.examples import STRATEGIES

    rows = [f"{keras} {name}" for keras, name in STRATEGIES]
    return rows if _has_keras() else []


def _models(subject: str, seed: int) -> int:
    from random_models.checking import OUTCOMES
    from random_models.examples import STRATEGIES, run

    keras, name = subject.split(" ", 1)
    before = OUTCOMES["compared, numpy"]
    run(STRATEGIES[keras, name], MODELS[keras], seed)
    return OUTCOMES["compared, numpy"] - before


@cache
def not_here() -> dict[str, str]:
    """Why the Keras of a generation cannot be had on this machine, by generation."""
    found = {}
    for generation in dict.fromkeys((*OLD_KERASES, *WITH_OPERATIONS)):
        done = _environment(generation, "--look")
        if done.returncode != 0:
            found[generation] = done.stderr.strip().splitlines()[-1]
    return found


def _old_kerases() -> list[str]:
    return [name for name in OLD_KERASES if name not in not_here()]


def _environment(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("sh", str(ENVIRONMENT), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process at a time; the others wait."""
    with (Path(tempfile.gettempdir()) / f"gru2np-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _masked(generation: str, seed: int) -> int:
    from masked_models import Recorder, check

    with _alone(generation):
        done = _environment(generation)
    assert done.returncode == 0, done.stderr
    compared = 0
    with Recorder(generation, done.stdout.strip()) as recorder:
        for number in range(seed * MASKED, (seed + 1) * MASKED):
            compared += check(recorder, number)
    return compared


def _operations(generation: str, seed: int) -> int:
    from masked_models import Recorder
    from operation_models import SCRIPT, check

    with _alone(generation):
        done = _environment(generation)
    assert done.returncode == 0, done.stderr
    compared = 0
    with Recorder(generation, done.stdout.strip(), SCRIPT) as recorder:
        for number in range(seed * MASKED, (seed + 1) * MASKED):
            compared += check(recorder, number)
    return compared


def _saved(generation: str, seed: int) -> int:
    from masked_models import Recorder
    from saved_models import judge

    with _alone(generation):
        done = _environment(generation)
    assert done.returncode == 0, done.stderr
    compared = 0
    python = done.stdout.strip()
    with Recorder(generation, python, "save_random.py") as recorder:
        for number in range(seed * MASKED, (seed + 1) * MASKED):
            compared += judge(recorder.record(number))
    return compared


def _keras(case: str, seed: int) -> int:
    model, weights = goldens.Golden(goldens.FIXTURES / case).files()
    try:
        found = gru2np.verify(model, weights=weights, seed=seed)
    except gru2np.VerificationError:
        return 0  # No Keras of today reads this file as it was meant.
    assert found.agrees, str(found)
    return len(found.evidence.cases)


def _upgrade(name: str, seed: int) -> int:
    from proof import upgrading

    return upgrading.check(name)


def _upgraded() -> list[str]:
    from proof import upgrading

    return upgrading.names() if _has_keras() else []


def _tables(subject: str, seed: int) -> int:
    """The tests that take some of the fixtures, with all of them."""
    kernel, name = subject.split(" ")
    settings = {"GRU2NP_EVERY_FIXTURE": "1", "GRU2NP_KERNEL": kernel}
    return _passed(Path(sys.executable), f"tests/{name}.py", **settings)


def _passed(python: Path, tests: str, **settings: str) -> int:
    """How many tests of a file pass; none fails."""
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    return int(passed[1])


def _installs() -> list[str]:
    """Python, distribution, NumPy and kernel, for every Python that is installed."""
    from matrix import OLDEST, pythons

    rows = []
    for python in pythons():
        oldest = OLDEST[python]
        rows.append(("gru2np-runtime", python, oldest))
        if _numbers(python) >= OLDEST_PYTHON:
            own = max(_numbers(oldest), OLDEST_NUMPY)
            rows.append(("gru2np", python, ".".join(map(str, own))))
    return [
        f"{python} {name} {numpy} {kernel}"
        for name, python, oldest in rows
        for numpy in (oldest, "newest")
        for kernel in ("c", "numpy")
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@cache
def _distributions() -> tuple[tempfile.TemporaryDirectory[str], list[Path]]:
    """The built wheels, in a folder that goes when the process does."""
    from release import dist

    folder = tempfile.TemporaryDirectory()
    return folder, dist.make(Path(folder.name))


def _wheels(subject: str, seed: int) -> int:
    """The wheels, not the sources, in an environment of their own."""
    from main_job import main_job
    from matrix import environment, pythons

    python, name, numpy, kernel = subject.split(" ")
    _, files = _distributions()
    pure = kernel == "numpy"
    install: list[str | Path] = [
        path
        for path in files
        if path.match("gru2np_runtime-*.whl") and path.match("*-any.whl") == pure
    ]
    if name == "gru2np":
        install += [path for path in files if path.match("gru2np-*.whl")]
    install.append("numpy" if numpy == "newest" else f"numpy=={numpy}")
    with tempfile.TemporaryDirectory() as folder:
        program = environment(pythons()[python], Path(folder) / "environment", *install)
        bundle = io.BytesIO()
        gru2np.export(ROOT / "examples" / "demo" / "digits.h5", bundle)
        work = Path(folder) / "work"
        work.mkdir()
        alone = None if name == "gru2np" else bundle.getvalue()
        version, used, package = main_job(program, work, bundle=alone)
        assert Path(package).is_relative_to(Path(folder).resolve())
    assert used == kernel
    assert numpy in ("newest", version)
    return 1


def _layers(subject: str, seed: int) -> int:
    from kernel_cases import Case

    found = _library()
    for number in range(seed * LAYERS, (seed + 1) * LAYERS):
        for width in range(c_library.level(found) + 1):
            Case(number).check(found, width)
    return LAYERS


def _soak(subject: str, seed: int) -> int:
    """The same call and the same step again and again, loaded anew at times."""
    kernel, case = subject.split(" ")
    golden = goldens.Golden(goldens.FIXTURES / case)
    data, (x,) = golden.bundle(), golden.arrays(0, "x")
    wanted = None

    def calls(count: int) -> int:
        """Bytes that are held afterwards."""
        nonlocal wanted
        for number in range(count):
            if number % 100 == 0:
                model = load(data)
            model.reset_states()
            found = [model.predict(x)]
            if steps:
                found.append(model.step(x[:, 0], model.initial_state(len(x)))[0])
            found = [y.tobytes() for y in goldens.flat(found)]
            wanted = wanted or found
            assert found == wanted
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    with mock.patch.dict(os.environ, GRU2NP_KERNEL=kernel):
        steps = True
        try:
            load(data).initial_state(len(x))
        except InputError:
            steps = False
        tracemalloc.start()
        try:
            held = [calls(200), calls(CALLS), calls(CALLS)]
        finally:
            tracemalloc.stop()
    # What Python itself caches on the way is there once; a leak is there again.
    left = min(after - before for before, after in pairwise(held))
    assert left < LEFT_BEHIND, f"{CALLS} calls leave {left} bytes behind"
    return CALLS


def _steps(subject: str, seed: int) -> int:
    """One stream with one output array; in the end what it gave in the beginning."""
    kernel, case = subject.split(" ")
    golden = goldens.Golden(goldens.FIXTURES / case)
    rng = np.random.default_rng(seed)
    with mock.patch.dict(os.environ, GRU2NP_KERNEL=kernel):
        model = load(golden.bundle())
    x = list(rng.normal(size=(1000, 1, model.input_shapes[0][-1])).astype("float32"))

    def first() -> list[bytes]:
        state = model.initial_state()
        return [model.step(one, state)[0].tobytes() for one in x]

    began = first()
    state = model.initial_state()
    out = model.step(x[0], state)[0]

    def steps(count: int) -> tuple[int, int]:
        """Blocks of Python's and kB of the process afterwards."""
        step, period = model.step, len(x)
        for number in range(count):
            step(x[number % period], state, out)
        gc.collect()
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return sys.getallocatedblocks(), used

    before = steps(STEPS // 10)
    after = steps(STEPS - STEPS // 10)
    assert np.isfinite(out).all()
    assert first() == began
    blocks, kilobytes = (new - old for new, old in zip(after, before, strict=True))
    assert blocks < 100, f"{STEPS} steps leave {blocks} blocks behind"
    assert kilobytes < GROWN, f"{STEPS} steps take {kilobytes} kB more"
    return STEPS


def _soaking(name: str) -> Callable[[str, int], int]:
    def check(subject: str, seed: int) -> int:
        from proof import soak

        search: Callable[[str, int], int] = getattr(soak, name)
        return search(subject, seed)

    return check


def _killed() -> list[str]:
    from proof.killed import COMMANDS

    has_keras = _has_keras()
    return [name for name, own in COMMANDS.items() if has_keras or not own.real_keras]


def _engines() -> list[str]:
    return ["ray", "spark"] if (ENGINES / "ready").exists() else []


def _engine(name: str, seed: int) -> int:
    return _passed(ENGINES / "bin" / "python", f"tests/test_{name}.py")


def _loaded() -> list[str]:
    from proof.soak import LOADED

    return list(LOADED)


SEARCHES = {
    "architectures": Search(
        "A configuration damaged anywhere converts to a bundle that loads, or is "
        "refused with an error of gru2np",
        _fixtures,
        10,
        _architectures,
    ),
    "values": Search(
        "A configuration of which any one value is another, or is not there, converts "
        "to a bundle that loads, or is refused with an error of gru2np",
        _fixtures,
        VALUES,
        _values,
    ),
    "files": Search(
        "A file with bytes changed, cut off or repeated converts, or is refused with "
        "an error of gru2np",
        _fixtures,
        10,
        _files,
    ),
    "models": Search(
        "A random model of Keras 3 or tf-keras gives the numbers of its Keras on every "
        "kernel, whole, one row alone and step by step, or is refused as expected",
        _kinds_of_models,
        60,
        _models,
    ),
    "masked": Search(
        "A random model of an old Keras that makes, keeps, merges and uses masks gives "
        "the numbers of that Keras on every kernel, whole, one row alone and step by "
        "step, or is refused as expected",
        _old_kerases,
        40,
        _masked,
    ),
    "operations": Search(
        "A random graph of operations on tensors, of an old or a new Keras, gives the "
        "numbers of that Keras on every kernel, whole, one row alone and step by step, "
        "or is refused as expected",
        lambda: [name for name in WITH_OPERATIONS if name not in not_here()],
        8,
        _operations,
    ),
    "saved": Search(
        "A random model that TensorFlow saved as HDF5, as a SavedModel folder and as a "
        "checkpoint is the same in all three, to the last bit of its weights",
        lambda: [name for name in FOLDERS if name not in not_here()],
        12,
        _saved,
    ),
    "keras": Search(
        "Every fixture agrees with the Keras of today, where one reads it as it was "
        "meant, on all inputs that `verify` draws",
        lambda: _converted() if _has_keras() else [],
        2,
        _keras,
    ),
    "upgrade": Search(
        "Every file that is converted, upgraded and run by the Keras of today, gives "
        "the numbers of the Keras that saved it, or is refused; and the table of "
        "[upgraded files](upgrade.md) says which",
        _upgraded,
        1,
        _upgrade,
    ),
    "tables": Search(
        "What `make test` holds of some fixtures holds of all",
        lambda: [f"{kernel} {name}" for kernel in _kernels() for name in SAMPLED],
        1,
        _tables,
    ),
    "wheels": Search(
        "The built wheels install on every Python here, with the oldest and the newest "
        "NumPy, with the compiled kernel and without, and do the work of the demo "
        "where there is no compiler",
        _installs,
        1,
        _wheels,
    ),
    "layers": Search(
        "A random recurrent layer gives on the C kernel, with vectors of every width, "
        "what the plain equations give in float64",
        lambda: ["c"] if _library() is not None else [],
        200,
        _layers,
    ),
    "soak": Search(
        "Thousands of calls and steps give the same bytes and leave no memory behind",
        lambda: [f"{kernel} {name}" for kernel in _kernels() for name in SOAKED],
        20,
        _soak,
    ),
    "steps": Search(
        "Ten million steps of one stream in one process: memory stays as it is, and "
        "the stream from its beginning gives the same bytes",
        lambda: [f"{kernel} keras-3.15/gru" for kernel in _kernels()],
        1,
        _steps,
    ),
    "kills": Search(
        "A command that is killed at any moment leaves the output as it was, new or "
        "absent, and no process; the next run gives the output and leaves nothing else",
        _killed,
        4,
        _soaking("kills"),
    ),
    "threads": Search(
        "64 threads on one model and on one pool of sessions, for ten minutes, get the "
        "bytes that one thread gets",
        _kernels,
        10,
        _soaking("threads"),
    ),
    "engines": Search(
        "Blocks of any size, one and several inputs and outputs give on local Ray and "
        "Spark with two processes what one process gives",
        _engines,
        1,
        _engine,
    ),
    "loads": Search(
        "Ten thousand times the same file, loaded, exported or refused: open files and "
        "memory stay as they are",
        _loaded,
        1,
        _soaking("loads"),
    ),
}
