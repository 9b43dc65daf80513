"""A chain of layers one time step further, in the buffers of one state.

The values of the chain stand in one vector: the input, a one, the output of the first
layer, a one, and so on.  What a layer reads, ``[input, 1]`` or ``[input, 1, h]``, is
then one contiguous slice, and its product with a packed matrix needs no copies and
adds the bias.  Several rows stand units-major, (size, rows), in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.kernels.numpy.dense import DenseStep
from gru2np_runtime.kernels.numpy.packed import Slot
from gru2np_runtime.kernels.numpy.recurrence import FastRecurrence
from gru2np_runtime.kernels.plain.pointwise import DensePlan
from gru2np_runtime.plan import Chain, Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import Advance, Stepped
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry, Link


class NumPyChain(Chain):
    """Recurrent and Dense layers, packed for steps.

    Attributes:
        layers: node name and packed form of each.
        size: of the vector.
    """

    def __init__(self, layers: Sequence[tuple[str, Stepped]], dtype: str) -> None:
        self.layers = list(layers)
        super().__init__(dtype, self.layers[0][1].features)
        self.size = self.features + sum(1 + own.units for _, own in self.layers) + 1

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """The vector of a state, and the functions that move it on."""
        return NumPyStepper(self, carries, rows)


class NumPyStepper(Stepper):
    """One state of a chain, and the functions that take it one step further."""

    __slots__ = ("_advances", "_given", "_result")

    def __init__(
        self, chain: NumPyChain, carries: Mapping[str, Carry | None], rows: int
    ) -> None:
        super().__init__(chain, rows)
        trailing = () if rows == 1 else (rows,)
        vector = np.ones((chain.size, *trailing), chain.dtype)
        self._given = _outside(vector[: chain.features])
        self._advances: list[Advance] = []
        self._result: Callable[[], Array]
        start = 0
        for i, (name, own) in enumerate(chain.layers):
            slot = Slot(vector, start, own.features, own.units)
            start += own.features + 1
            if i + 1 == len(chain.layers) and isinstance(own, DenseStep):
                self._result = own.result(slot)
                break
            advance, states = own.bind(slot)
            self._advances.append(advance)
            self._result = _outside(slot.value).copy
            self.take(carries.get(name), [_outside(state) for state in states])

    def step(self, x: Array) -> Array:
        """One step; x: (rows, features), in the dtype of the chain."""
        self._given[...] = x
        # exp may overflow on its way to a gate that is shut.
        with np.errstate(over="ignore", invalid="ignore"):
            for advance in self._advances:
                advance()
            return self._result()


def _outside(buffer: Array) -> Array:
    """A buffer as (rows, size)."""
    return buffer.T if buffer.ndim == 2 else buffer[None]


def chain(links: Sequence[Link], dtype: str) -> Chain | None:
    """The chain of these layers; None where one is not this kernel's."""
    layers: list[tuple[str, Stepped]] = []
    for link in links:
        packed = _packed(link, dtype)
        if packed is None:
            return None
        layers.append((link.node, packed))
    # A function along the units needs them on the last axis, as the result has them.
    inside = [own for _, own in layers[:-1] if isinstance(own, DenseStep)]
    if not all(own.elementwise for own in inside):
        return None
    return NumPyChain(layers, dtype)


def _packed(link: Link, dtype: str) -> Stepped | None:
    """A layer packed for steps."""
    plan = link.plan
    # Weights of another dtype, with a packed form of their own, would be told here.
    if any(array.dtype != dtype for array in plan.weights.values()):
        return None
    if isinstance(plan, FastRecurrence):
        return plan.packed.for_steps()
    return DenseStep(plan) if isinstance(plan, DensePlan) else None
