"""gru2np: with the C kernel, small weights in it, NumPy, and the plain loop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from models import sessions_of_calls
from peers import Missing, why_not

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gru2np_runtime import Model
    from models import Array, Workload
    from peers import Run


class Ours:
    """``gru2np_runtime`` with bundles."""

    step_rank = 2

    def __init__(self, kernel: str) -> None:
        small = kernel in ("float16", "int8")
        self.file = f"model.{kernel}.npz" if small else "model.npz"
        compiled = small or kernel in ("c", "one by one")
        os.environ["GRU2NP_KERNEL"] = "c" if compiled else "numpy"
        import warnings

        import gru2np_runtime
        from gru2np_runtime.kernels.c import library
        from gru2np_runtime.run import dispatch

        with warnings.catch_warnings():
            # Said in the report.
            warnings.simplefilter("ignore", RuntimeWarning)
            runs = library.kernel()
        if compiled and runs != "c":
            raise Missing("the C kernel is not built here; `make kernel` builds it")
        if kernel == "plain":
            dispatch.FAST.clear()
        self.kernel = kernel
        self.version = f"gru2np {gru2np_runtime.__version__}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The bundle."""
        from gru2np_runtime import load

        path = folder / self.file
        if not path.exists():
            raise Missing(why_not(path))
        model = load(path)
        if not workload.step:
            return lambda: model.predict
        if workload.sessions:
            sessions = one_by_one if self.kernel == "one by one" else together
            return lambda: sessions(model, workload)

        def begin() -> Run:
            state = model.initial_state(batch_size=1)
            call = model.step if workload.time == 1 else model.advance

            def step(x: Array) -> Array:
                nonlocal state
                y, state = call(x, state)
                return y

            return step

        return begin


def together(model: Model, workload: Workload) -> Run:
    """Sessions in one batch."""
    streams = model.streams(workload.sessions)
    ids = np.array([streams.open() for _ in range(workload.sessions)])
    calls = sessions_of_calls(workload)
    return lambda x: streams.step(ids[next(calls)], x)


def one_by_one(model: Model, workload: Workload) -> Run:
    """Sessions one after the other, each with a state of its own."""
    states = [model.initial_state(1) for _ in range(workload.sessions)]
    calls = sessions_of_calls(workload)

    def step(x: Array) -> Array:
        rows = next(calls).tolist()
        return np.concatenate(
            [model.step(x[i : i + 1], states[row])[0] for i, row in enumerate(rows)]
        )

    return step


def start(variant: str, threads: int | None) -> Ours:
    """Threads come from the environment."""
    return Ours(variant)
