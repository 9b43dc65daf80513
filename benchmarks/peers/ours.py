"""gru2np: with the C kernel, small weights in it, NumPy, and the plain loop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from peers import Missing, why_not

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Workload
    from peers import Run


class Ours:
    """``gru2np_runtime`` with bundles."""

    step_rank = 2

    def __init__(self, kernel: str) -> None:
        small = kernel in ("float16", "int8")
        self.file = f"model.{kernel}.npz" if small else "model.npz"
        kernel = "c" if small else kernel
        os.environ["GRU2NP_KERNEL"] = "c" if kernel == "c" else "numpy"
        import warnings

        import gru2np_runtime
        from gru2np_runtime.kernels.c import library
        from gru2np_runtime.run import dispatch

        with warnings.catch_warnings():
            # Said in the report.
            warnings.simplefilter("ignore", RuntimeWarning)
            runs = library.kernel()
        if kernel == "c" and runs != "c":
            raise Missing("the C kernel is not built here; `make kernel` builds it")
        if kernel == "plain":
            dispatch.FAST.clear()
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

        def begin() -> Run:
            state = model.initial_state(batch_size=1)

            def step(x: Array) -> Array:
                nonlocal state
                y, state = model.step(x, state)
                return y

            return step

        return begin


def start(variant: str, threads: int | None) -> Ours:
    """Threads come from the environment."""
    return Ours(variant)
