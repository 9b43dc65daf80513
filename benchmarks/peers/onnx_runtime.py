"""ONNX Runtime: native operators written by hand, and what Keras exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models import sessions_of_calls
from peers import Missing, why_not

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Workload
    from peers import Run

FILES = {
    "native": "native.onnx",
    "exported": "exported.onnx",
    "int8": "small.onnx",
}


class OnnxRuntime:
    """A session for each model."""

    step_rank = 3

    def __init__(self, variant: str, threads: int | None) -> None:
        import onnxruntime

        self.runtime: Any = onnxruntime
        self.file = FILES[variant]
        self.threads = threads
        self.version = f"onnxruntime {onnxruntime.__version__}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The session; its first input is x, the others are states."""
        path = folder / self.file
        if not path.exists():
            raise Missing(why_not(path))
        options = self.runtime.SessionOptions()
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
            options.inter_op_num_threads = 1
        session = self.runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        names = [port.name for port in session.get_inputs()]
        run = session.run
        if not workload.step:
            return lambda: lambda x: run(None, {names[0]: x})[0]
        if workload.sessions:
            return lambda: self._sessions(run, names, workload)
        shapes = [port.shape for port in session.get_inputs()[1:]]
        shapes = [[n if isinstance(n, int) else 1 for n in shape] for shape in shapes]

        def begin() -> Run:
            feed = {
                name: np.zeros(shape, np.float32)
                for name, shape in zip(names[1:], shapes, strict=True)
            }
            states = list(feed)

            def step(x: Array) -> Array:
                feed[names[0]] = x
                y, *after = run(None, feed)
                feed.update(zip(states, after, strict=True))
                return y

            return step

        return begin

    def _sessions(self, run: Any, names: list[str], workload: Workload) -> Run:
        """Rows of arrays of states, gathered and scattered by hand."""
        shape = (workload.sessions, workload.units)
        slabs = [np.zeros(shape, np.float32) for _ in names[1:]]
        calls = sessions_of_calls(workload)

        def step(x: Array) -> Array:
            rows = next(calls)
            states = [slab[rows][None] for slab in slabs]
            y, *after = run(None, dict(zip(names, [x[None], *states], strict=True)))
            for slab, state in zip(slabs, after, strict=True):
                slab[rows] = state[0]
            return y

        return step


def start(variant: str, threads: int | None) -> OnnxRuntime:
    """Import it."""
    return OnnxRuntime(variant, threads)
