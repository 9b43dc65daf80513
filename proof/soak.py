"""Under strain: killed at any moment, one model in many threads, loaded without end."""

from __future__ import annotations

import gc
import io
import itertools
import os
import random
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

import goldens
import gru2np
from gru2np_runtime import load
from modelfiles import bundle_of, model_of, with_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np_runtime import Model
    from gru2np_runtime.run.sessions import Streams

KILLS = 10
THREADS = 64
SECONDS = 60.0
# What threads share: a stack of layers that also runs in steps.
SHARED = "keras-3.15/gru"
LOADS = 10_000
# What a process may grow by in all loads but the first tenth, in kB: 500 bytes a load.
GROWN = 5_000


def kills(name: str, seed: int) -> int:
    """Kill a command at random moments; see ``proof.killed``."""
    from proof.killed import at_random

    with tempfile.TemporaryDirectory() as folder:
        outcomes = at_random(name, seed, KILLS, Path(folder))
    return sum(outcomes[state] for state in ("as before", "new", "absent"))


def threads(kernel: str, seed: int) -> int:
    """Many threads on one model and on one pool of its sessions, all the time."""
    data = goldens.Golden(goldens.FIXTURES / SHARED).bundle()
    with mock.patch.dict(os.environ, GRU2NP_KERNEL=kernel):
        alone, model = load(data), load(data)
    works = _works(alone, seed)
    wanted = [work(alone, alone.streams(capacity=2)) for work in works]
    pool = model.streams(capacity=2)  # It grows when threads ask for more.
    done, faults = itertools.count(), []
    begin, end = threading.Barrier(THREADS), time.monotonic() + SECONDS

    def run(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        begin.wait()
        try:
            while time.monotonic() < end and not faults:
                i = rng.randrange(len(works))
                assert works[i](model, pool) == wanted[i], f"work {i} gave other bytes"
                next(done)
        except BaseException as error:
            faults.append(error)

    started = [threading.Thread(target=run, args=(i,)) for i in range(THREADS)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if faults:
        raise faults[0]
    assert len(pool) == 0
    return next(done)


def _works(model: Model, seed: int) -> list[Callable[[Model, Streams], list[bytes]]]:
    """What a thread does with a model and a pool: each gives the same bytes always."""
    rng = np.random.default_rng(seed)
    (shape,) = model.input_shapes
    time_steps, features = 12, shape[-1]

    def inputs(rows: int) -> np.ndarray[Any, Any]:
        return rng.normal(size=(rows, time_steps, features)).astype("float32")

    def predict(x: np.ndarray[Any, Any], batch_size: int | None) -> Any:
        return lambda model, _pool: _bytes(model.predict(x, batch_size))

    def steps(x: np.ndarray[Any, Any]) -> Any:
        def work(model: Model, _pool: Streams) -> list[bytes]:
            state, found = model.initial_state(len(x)), []
            for t in range(time_steps):
                y, state = model.step(x[:, t], state)
                found += _bytes(y)
            return found

        return work

    def sessions(x: np.ndarray[Any, Any]) -> Any:
        def work(_model: Model, pool: Streams) -> list[bytes]:
            ids, found = [pool.open() for _ in x], []
            for t in range(0, time_steps, 2):
                found += _bytes(pool.step(ids, x[:, t]))
                found += _bytes(pool.advance(ids[::-1], x[::-1, t + 1 : t + 2]))
            for session in ids:
                pool.close(session)
            return found

        return work

    rows = (1, 3, 40)
    large = inputs(5_000)
    return [
        *(predict(inputs(n), None) for n in rows),
        predict(inputs(40), 7),
        predict(large, None),  # which a kernel spreads over threads of its own
        *(make(inputs(n)) for make in (steps, sessions) for n in rows),
    ]


def _bytes(outputs: Any) -> list[bytes]:
    return [y.tobytes() for y in goldens.flat(outputs)]


def loads(kind: str, seed: int) -> int:
    """Open the same file again and again: files and memory stay as they are."""
    with tempfile.TemporaryDirectory() as folder:
        open_once = LOADED[kind](Path(folder))
        found = []
        for count in (LOADS // 10, LOADS - LOADS // 10):
            for _ in range(count):
                open_once()
            gc.collect()
            found.append(_held())
    before, after = found
    for name in ("files", "mapped", "threads"):
        assert after[name] == before[name], (
            f"{name}: {before[name]}, then {after[name]}"
        )
    grown = after["kB"] - before["kB"]
    assert grown < GROWN, f"{LOADS} loads take {grown} kB more"
    return LOADS


def _held() -> dict[str, int]:
    """What the process holds."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {
        "files": len([*Path("/proc/self/fd").iterdir()]),
        "mapped": sum(".npz" in line for line in maps),
        "threads": threading.active_count(),
        "kB": int(status["VmRSS"].split()[0]),
    }


def _loaded(folder: Path, **options: Any) -> Callable[[], object]:
    """Load a bundle, and run it once."""
    path = bundle_of(SHARED, folder / "model.npz")
    (shape,) = load(path).input_shapes
    x = np.zeros((1, *(n or 3 for n in shape[1:])), "float32")
    return lambda: load(path, **options).predict(x)


def _export(path: Path) -> object:
    return gru2np.export(path, io.BytesIO())


def _refused(path: Path, run: Callable[[Path], object]) -> Callable[[], object]:
    def refused() -> None:
        try:
            run(path)
        except gru2np.Gru2npError:
            return
        raise AssertionError(f"{path.name} is not refused")

    return refused


def _half(path: Path, folder: Path) -> Path:
    half = folder / f"half{path.suffix}"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return half


def _half_a_bundle(folder: Path) -> Path:
    return _half(bundle_of(SHARED, folder / "model.npz"), folder)


H5, KERAS = model_of("keras-2.2/gru"), model_of(SHARED)
# Gives what opens a file.
LOADED: dict[str, Callable[[Path], Callable[[], object]]] = {
    "load": _loaded,
    "load mapped": partial(_loaded, mapped=True),
    "load checked": partial(_loaded, check=True),
    "export .h5": lambda _folder: partial(_export, H5),
    "export .keras": lambda _folder: partial(_export, KERAS),
    "refused bundle": lambda folder: _refused(_half_a_bundle(folder), load),
    "refused bundle, mapped": lambda folder: _refused(
        _half_a_bundle(folder), partial(load, mapped=True)
    ),
    "refused .h5": lambda folder: _refused(_half(H5, folder), _export),
    "refused .keras": lambda folder: _refused(_half(KERAS, folder), _export),
    "refused layer": lambda folder: _refused(  # after the file is open
        with_class("keras-2.2/gru", folder / "custom.h5", "gru_1", "MDN"), _export
    ),
}
