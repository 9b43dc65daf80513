"""OpenVINO, with the graph that ONNX Runtime has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from peers import Missing, why_not

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Workload
    from peers import Run


class OpenVino:
    """A compiled model, and one request that is used again and again."""

    step_rank = 3

    def __init__(self, threads: int | None) -> None:
        import openvino

        self.core: Any = openvino.Core()
        self.options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads is not None:
            self.options["INFERENCE_NUM_THREADS"] = threads
        self.version = f"openvino {openvino.__version__.split('-')[0]}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The compiled model; its first input is x, the others are states."""
        path = folder / ("exported.onnx" if workload.network else "native.onnx")
        if not path.exists():
            raise Missing(why_not(path))
        model = self.core.read_model(str(path))
        compiled = self.core.compile_model(model, "CPU", self.options)
        count = len(compiled.outputs)
        request = compiled.create_infer_request()

        def run(x: Array) -> Array:
            request.infer([x], share_inputs=True)
            return request.get_output_tensor(0).data.copy()

        if not workload.step:
            return lambda: run
        shapes = [tuple(port.shape) for port in compiled.inputs[1:]]

        def begin() -> Run:
            feed = [None, *(np.zeros(shape, np.float32) for shape in shapes)]

            def step(x: Array) -> Array:
                feed[0] = x
                request.infer(feed, share_inputs=True)
                for i in range(1, count):
                    feed[i] = request.get_output_tensor(i).data.copy()
                return request.get_output_tensor(0).data.copy()

            return step

        return begin


def start(variant: str, threads: int | None) -> OpenVino:
    """Import it."""
    return OpenVino(threads)
