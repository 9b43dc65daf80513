"""PyTorch's own recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Workload
    from peers import Run

# PyTorch's gates by their number in Keras: r z n, and i f g o.
GATES = {"gru": [1, 0, 2], "lstm": [0, 1, 2, 3], "simple_rnn": [0]}
CLASSES = {"gru": "GRU", "lstm": "LSTM", "simple_rnn": "RNN"}


class PyTorch:
    """``torch.nn`` layers in inference mode."""

    step_rank = 3

    def __init__(self, threads: int | None) -> None:
        import torch

        self.torch: Any = torch
        if threads is not None:
            torch.set_num_threads(threads)
        self.version = f"torch {torch.__version__}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The layers with the folder's weights."""
        torch = self.torch
        network, head = self.modules(workload, folder)

        def finish(y: Any) -> Array:
            if not workload.sequences:
                y = y[:, -1]
            return (y if head is None else head(y)).numpy()

        def last(y: Any, h: Any) -> Any:
            # The backward direction ends at the first step.
            if workload.sequences or not workload.bidirectional:
                return y
            return torch.cat([h[-2], h[-1]], dim=-1)[:, None]

        @torch.inference_mode()
        def run(x: Array) -> Array:
            y, h = network(torch.from_numpy(x))
            return finish(last(y, h[0] if workload.cell == "lstm" else h))

        if not workload.step:
            return lambda: run

        def begin() -> Run:
            state = None

            @torch.inference_mode()
            def step(x: Array) -> Array:
                nonlocal state
                y, state = network(torch.from_numpy(x), state)
                return finish(y)

            return step

        return begin

    def modules(self, workload: Workload, folder: Path) -> tuple[Any, Any]:
        """The recurrent stack, and the Dense layer or None."""
        torch = self.torch
        network = getattr(torch.nn, CLASSES[workload.cell])(
            workload.features,
            workload.units,
            workload.layers,
            batch_first=True,
            bidirectional=workload.bidirectional,
        )
        layers, dense = read_weights(folder)
        order = GATES[workload.cell]

        def gates(array: Array) -> Any:
            parts = np.split(array, len(order), axis=-1)
            joined = np.concatenate([parts[i] for i in order], axis=-1)
            return torch.from_numpy(np.ascontiguousarray(joined.T))

        with torch.no_grad():
            for i, directions in enumerate(layers):
                for j, weights in enumerate(directions):
                    suffix = f"l{i}" + ("_reverse" if j else "")
                    bias = weights["bias"]
                    if bias.ndim == 1:
                        bias = np.stack([bias, np.zeros_like(bias)])
                    arrays = {
                        "weight_ih": weights["kernel"],
                        "weight_hh": weights["recurrent_kernel"],
                        "bias_ih": bias[0],
                        "bias_hh": bias[1],
                    }
                    for name, array in arrays.items():
                        getattr(network, f"{name}_{suffix}").copy_(gates(array))
            head = None
            if dense is not None:
                head = torch.nn.Linear(*dense["kernel"].shape)
                head.weight.copy_(torch.from_numpy(dense["kernel"].T.copy()))
                head.bias.copy_(torch.from_numpy(dense["bias"]))
        return network.eval(), head


def start(variant: str, threads: int | None) -> PyTorch:
    """Import it."""
    return PyTorch(threads)
