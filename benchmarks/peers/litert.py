"""LiteRT, with what TensorFlow converts from the Keras model."""

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


class LiteRT:
    """An interpreter for each model."""

    step_rank = 3

    def __init__(self, variant: str, threads: int | None) -> None:
        from importlib.metadata import version

        from ai_edge_litert.interpreter import Interpreter

        self.interpreter: Any = Interpreter
        self.file = "small.tflite" if variant else "model.tflite"
        self.threads = threads
        self.version = f"ai-edge-litert {version('ai-edge-litert')}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The interpreter; its first output is y, the others are states."""
        path = folder / self.file
        if not path.exists():
            raise Missing(why_not(path))
        interpreter = self.interpreter(str(path), num_threads=self.threads)
        interpreter.allocate_tensors()
        # Inputs come in no order of their own, and are called a0, a1, ...
        details = sorted(interpreter.get_input_details(), key=lambda d: d["name"])
        inputs = [detail["index"] for detail in details]
        outputs = [detail["index"] for detail in interpreter.get_output_details()]
        put, get = interpreter.set_tensor, interpreter.get_tensor
        invoke = interpreter.invoke

        def run(x: Array) -> Array:
            put(inputs[0], x)
            invoke()
            return get(outputs[0])

        if not workload.step:
            return lambda: run
        pairs = list(zip(inputs[1:], outputs[1:], strict=True))
        if workload.sessions:

            def sessions() -> Run:
                shape = (workload.sessions, workload.units)
                slabs = [np.zeros(shape, np.float32) for _ in pairs]
                calls = sessions_of_calls(workload)

                def step_rows(x: Array) -> Array:
                    rows = next(calls)
                    put(inputs[0], x[:, None])
                    for slab, (here, _) in zip(slabs, pairs, strict=True):
                        put(here, slab[rows])
                    invoke()
                    for slab, (_, there) in zip(slabs, pairs, strict=True):
                        slab[rows] = get(there)
                    return get(outputs[0])

                return step_rows

            return sessions

        def begin() -> Run:
            for detail in details[1:]:
                put(detail["index"], np.zeros(detail["shape"], np.float32))

            def step(x: Array) -> Array:
                put(inputs[0], x)
                invoke()
                for here, there in pairs:
                    put(here, get(there))
                return get(outputs[0])

            return step

        return begin


def start(variant: str, threads: int | None) -> LiteRT:
    """Import it."""
    return LiteRT(variant, threads)
