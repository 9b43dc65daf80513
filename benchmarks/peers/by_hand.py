"""The loop that people write by hand, one product a gate; in float64 the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Weights, Workload
    from peers import Run


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def gru(x: Array, states: list[Array], weights: Any) -> list[Array]:
    """One step of a GRU with ``reset_after``."""
    W, U, b = weights
    (h,) = states
    z = sigmoid(x @ W[0] + b[0][0] + h @ U[0] + b[1][0])
    r = sigmoid(x @ W[1] + b[0][1] + h @ U[1] + b[1][1])
    hh = np.tanh(x @ W[2] + b[0][2] + r * (h @ U[2] + b[1][2]))
    return [z * h + (1.0 - z) * hh]


def lstm(x: Array, states: list[Array], weights: Any) -> list[Array]:
    """One step of an LSTM."""
    W, U, b = weights
    h, c = states
    i = sigmoid(x @ W[0] + h @ U[0] + b[0][0])
    f = sigmoid(x @ W[1] + h @ U[1] + b[0][1])
    g = np.tanh(x @ W[2] + h @ U[2] + b[0][2])
    o = sigmoid(x @ W[3] + h @ U[3] + b[0][3])
    c = f * c + i * g
    return [o * np.tanh(c), c]


def simple_rnn(x: Array, states: list[Array], weights: Any) -> list[Array]:
    """One step of a SimpleRNN."""
    W, U, b = weights
    return [np.tanh(x @ W[0] + states[0] @ U[0] + b[0][0])]


CELLS = {"gru": gru, "lstm": lstm, "simple_rnn": simple_rnn}


class Naive:
    """A model of such loops."""

    def __init__(
        self,
        workload: Workload,
        layers: Weights,
        head: dict[str, Array] | None,
        dtype: Any = np.float32,
    ) -> None:
        self.workload = workload
        self.cell = CELLS[workload.cell]
        self.dtype = dtype
        self.head = None if head is None else [a.astype(dtype) for a in head.values()]
        self.layers = [
            [self._gates(weights) for weights in directions] for directions in layers
        ]

    def _gates(self, weights: dict[str, Array]) -> tuple[Any, Any, Any]:
        units = self.workload.units
        arrays = [
            np.split(np.atleast_2d(weights[name]).astype(self.dtype), count, axis=1)
            for name in ("kernel", "recurrent_kernel", "bias")
            for count in (weights["kernel"].shape[1] // units,)
        ]
        W, U = ([np.ascontiguousarray(a) for a in part] for part in arrays[:2])
        b = [[part[row] for part in arrays[2]] for row in range(len(arrays[2][0]))]
        return W, U, b

    def _zeros(self, batch: int) -> list[Array]:
        shape = (batch, self.workload.units)
        return [np.zeros(shape, self.dtype) for _ in range(self.workload.states)]

    def _finish(self, y: Array) -> Array:
        return y if self.head is None else y @ self.head[0] + self.head[1]

    def run(self, x: Array) -> Array:
        """x: (batch, time, features)."""
        y = x
        for number, directions in enumerate(self.layers):
            outputs = []
            for backwards, gates in enumerate(directions):
                states, steps = self._zeros(x.shape[0]), []
                order = range(y.shape[1])
                for t in reversed(order) if backwards else order:
                    states = self.cell(y[:, t], states, gates)
                    steps.append(states[0])
                if self.workload.returns_sequences(number):
                    steps = steps[::-1] if backwards else steps
                    outputs.append(np.stack(steps, axis=1))
                else:
                    outputs.append(states[0])
            y = np.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
        return self._finish(y)

    def begin(self) -> Run:
        """A stream: (1, features) to (1, units), or blocks (1, time, ...) of them."""
        carried = [self._zeros(1) for _ in self.layers]

        def step(x: Array) -> Array:
            if x.ndim == 3:
                return np.stack([step(x[:, t]) for t in range(x.shape[1])], axis=1)
            for number, (gates,) in enumerate(self.layers):
                carried[number] = self.cell(x, carried[number], gates)
                x = carried[number][0]
            return self._finish(x)

        return step


class ByHand:
    """The naive loop as a runtime."""

    version = f"NumPy {np.__version__}"
    step_rank = 2

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The loop with the folder's weights."""
        naive = Naive(workload, *read_weights(folder))
        return naive.begin if workload.step else lambda: naive.run


def start(variant: str, threads: int | None) -> ByHand:
    """NumPy takes its number of threads from the environment."""
    return ByHand()
