"""One time step of a chain of layers, in the buffers of one state.

The values of the chain are in one vector: the input, a one, the output of the first
layer, a one, and so on.  The operand of a layer, ``[input, 1]`` or ``[input, 1, h]``,
is then one contiguous slice: its product with a packed matrix needs no copy and adds
the bias.  With several rows the vector is a matrix, units-major: (size, rows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.kernels.numpy.dense import DenseStep
from gru2np_runtime.kernels.numpy.packed import Slot
from gru2np_runtime.kernels.numpy.recurrence import NumPyRecurrence
from gru2np_runtime.kernels.plain.pointwise import DensePlan
from gru2np_runtime.plan import Chain, Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import PackedStep, RunStep
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry, Link


class NumPyChain(Chain):
    """Recurrent and Dense layers, packed for single steps.

    Attributes:
        layers: node name and packed weights of each.
        size: of the vector.
    """

    def __init__(self, layers: Sequence[tuple[str, PackedStep]], dtype: str) -> None:
        self.layers = list(layers)
        super().__init__(dtype, layers[0][1].features, layers[-1][1].units)
        self.size = self.features + sum(1 + layer.units for _, layer in self.layers) + 1

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """Buffers of one state, and the functions that run one step in them."""
        return NumPyStepper(self, carries, rows)


class NumPyStepper(Stepper):
    """The vector of one state, and one function per layer that runs a step in it."""

    __slots__ = ("_input", "_result", "_steps")

    def __init__(
        self, chain: NumPyChain, carries: Mapping[str, Carry | None], rows: int
    ) -> None:
        super().__init__(chain, rows)
        trailing = () if rows == 1 else (rows,)
        vector = np.ones((chain.size, *trailing), chain.dtype)
        self._input = _batch_first(vector[: chain.features])
        self._steps: list[RunStep] = []
        self._result: Callable[[], Array]
        start = 0
        for i, (name, layer) in enumerate(chain.layers):
            slot = Slot(vector, start, layer.features, layer.units)
            start += layer.features + 1
            if i + 1 == len(chain.layers) and isinstance(layer, DenseStep):
                self._result = layer.result(slot)
                break
            run_step, states = layer.bind(slot)
            self._steps.append(run_step)
            self._result = _batch_first(slot.output).copy
            self.move_states(carries.get(name), [_batch_first(s) for s in states])

    def step(self, x: Array, out: Array | None = None) -> Array:
        """One step; NumPy makes arrays of the size of the output on the way."""
        self._input[...] = x
        # exp may overflow where a gate is closed; the result is right.
        with np.errstate(over="ignore", invalid="ignore"):
            for run_step in self._steps:
                run_step()
            y = self._result()
        if out is None:
            return y
        out[...] = y
        return out


def _batch_first(buffer: Array) -> Array:
    """A view (rows, size) of a buffer (size,) or (size, rows)."""
    return buffer.T if buffer.ndim == 2 else buffer[None]


def chain(links: Sequence[Link], dtype: str) -> Chain | None:
    """The chain of these layers; None if the kernel cannot run one of them."""
    layers: list[tuple[str, PackedStep]] = []
    for link in links:
        packed = _packed(link, dtype)
        if packed is None:
            return None
        layers.append((link.node, packed))
    # softmax needs the units on the last axis, where only the result has them.
    hidden = [layer for _, layer in layers[:-1] if isinstance(layer, DenseStep)]
    if not all(layer.elementwise for layer in hidden):
        return None
    return NumPyChain(layers, dtype)


def _packed(link: Link, dtype: str) -> PackedStep | None:
    """A layer packed for single steps; None for other layers and weight dtypes."""
    plan = link.plan
    if any(array.dtype != dtype for array in plan.weights.values()):
        return None
    if isinstance(plan, NumPyRecurrence):
        return plan.packed.for_steps()
    return DenseStep(plan) if isinstance(plan, DensePlan) else None
