"""A chain of layers in one call of the compiled kernel.

The states live in one block that the kernel moves on in place: by one time step, or
through a whole sequence.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.c.plans import CompiledRecurrence, address_of, pack_dense
from gru2np_runtime.kernels.c.threads import parts, run_all
from gru2np_runtime.kernels.plain.pointwise import DensePlan
from gru2np_runtime.plan import Chain, Stepper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.kernels.c.plans import Packed
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry, Link

# The fields of kernel.c's struct stack.
_STACK = struct.Struct("5P8q")
# Rows of one call; states of more rows would not stay in the cache.
ROWS = 960


class CompiledChain(Chain):
    """Recurrent and Dense layers, packed for the library.

    Args:
        layers: node name, weights, and how many states, of each layer.
        every_step: whether the last recurrent layer gives every step.
    """

    def __init__(
        self, layers: Sequence[tuple[str, Packed, int]], *, every_step: bool
    ) -> None:
        self.layers = list(layers)
        packed = [own for _, own, _ in self.layers]
        super().__init__("float32", packed[0].features)
        self.library: Any = packed[0].library
        self.addresses = np.array([own.address for own in packed], np.uintp)
        self.units = packed[-1].units
        self.every_step = every_step
        self.products = sum(own.products for own in packed)
        self._address = self.addresses.ctypes.data
        self._remembered = (0, 0), (0, 0)

    def workspace(self, rows: int, time: int) -> tuple[int, int]:
        """Floats of the states and of the workspace."""
        shape, sizes = self._remembered
        if shape != (rows, time):
            needed = self.library.gru2np_stack_workspace
            sizes = (
                sum(rows * own.width * count for _, own, count in self.layers),
                sum(needed(own.address, rows, time) for _, own, _ in self.layers),
            )
            # One assignment, so that threads see a pair that belongs together.
            self._remembered = (rows, time), sizes
        return sizes

    def call(
        self,
        addresses: Sequence[int],
        shape: Sequence[int],
        strides: Sequence[int],
        *,
        anew: bool,
    ) -> bytes:
        """The record of a call.

        Args:
            addresses: of x, states, y and workspace.
            shape: rows, time.
            strides: of x and y, row and time each, in floats.
            anew: whether the states are to be set to zeros first.
        """
        return _STACK.pack(
            self._address, *addresses, len(self.layers), *shape, *strides, anew
        )

    def takes(self, x: Array) -> bool:
        """Whether ``run`` can run on x; the other way refuses what does not fit."""
        shape = x.shape
        return (
            len(shape) == 3
            and shape[2] == self.features
            and x.dtype == self.dtype
            and 0 not in shape
        )

    def run(self, x: Array) -> Array:
        """x: (batch, time, features), float32, none of them 0, from zero states."""
        batch, time, _ = x.shape
        if x.strides[2] != 4 or not x.flags.aligned:
            x = np.ascontiguousarray(x)
        row, step, _ = x.strides
        if self.every_step:
            y = np.empty((batch, time, self.units), np.float32)
            y_row, y_step = time * self.units, self.units
        else:
            y = np.empty((batch, self.units), np.float32)
            y_row, y_step = self.units, 0
        strides = row // 4, step // 4, y_row, y_step
        calls, blocks = [], []
        for start, stop in parts(batch, time * self.products):
            rows = min(ROWS, stop - start)
            states, work = self.workspace(rows, time)
            block = np.empty(states + work, np.float32)
            blocks.append(block)
            address = address_of(block)
            own = []
            for first in range(start, stop, rows):
                places = (
                    address_of(x) + first * row,
                    address,
                    address_of(y) + 4 * first * y_row,
                    address + 4 * states,
                )
                shape = min(rows, stop - first), time
                own.append(self.call(places, shape, strides, anew=True))
            calls.append(own)
        run_all(self.library.gru2np_stack, calls, (x, y, blocks, self))
        return y

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """The block of a state, and the record of a call that moves it on."""
        return CompiledStepper(self, carries, rows)


class CompiledStepper(Stepper):
    """One state of a chain, and the call that takes it one step further."""

    __slots__ = ("_call", "_inputs", "_outputs", "_run", "_states")

    def __init__(
        self, chain: CompiledChain, carries: Mapping[str, Carry | None], rows: int
    ) -> None:
        super().__init__(chain, rows)
        states, work = chain.workspace(rows, 1)
        self._states = np.zeros(states + work, np.float32)
        self._inputs = np.zeros(self.shape, np.float32)
        self._outputs = np.zeros((rows, chain.units), np.float32)
        self._run = chain.library.gru2np_stack
        start = address_of(self._states)
        self._call = chain.call(
            (
                address_of(self._inputs),
                start,
                address_of(self._outputs),
                start + 4 * states,
            ),
            (rows, 1),
            (chain.features, 0, chain.units, 0),
            anew=False,
        )
        position = 0
        for name, own, count in chain.layers:
            views = []
            for _ in range(count):
                block = self._states[position : position + rows * own.width]
                views.append(block.reshape(rows, own.width)[:, : own.units])
                position += rows * own.width
            self.take(carries.get(name), views)

    def step(self, x: Array) -> Array:
        """One step; x: (rows, features), float32; gives a fresh array."""
        self._inputs[...] = x
        self._run(self._call)
        y: Array = self._outputs.copy()
        return y


def chain(links: Sequence[Link], dtype: str) -> Chain | None:
    """The chain of these layers; None where one is not this kernel's."""
    if dtype != "float32":
        return None
    layers: list[tuple[str, Packed, int]] = []
    library: Any = None
    every_step = False
    for link in links:
        if isinstance(link.plan, CompiledRecurrence):
            library = link.plan.packed.library
    for link in links:
        plan = link.plan
        if isinstance(plan, CompiledRecurrence):
            layers.append((link.node, plan.packed, len(plan.state_shapes())))
            every_step = plan.layer.return_sequences
        elif isinstance(plan, DensePlan):
            packed = pack_dense(library, plan.layer, plan.weights)
            if packed is None:
                return None
            layers.append((link.node, packed, 0))
        else:
            return None
    return CompiledChain(layers, every_step=every_step)
