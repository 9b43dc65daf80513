"""A whole model in one call of the compiled kernel.

Where a model is a chain of recurrent and Dense layers with one input and one output,
its states live in one block that the kernel moves on in place: by one time step, or
through a whole sequence.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.c.plans import CompiledRecurrence, address_of, pack_dense
from gru2np_runtime.kernels.c.threads import parts, run_all
from gru2np_runtime.plan import child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.kernels.c.plans import Packed
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry
    from gru2np_runtime.run.execution import GraphPlan

# The fields of kernel.c's struct stack.
_STACK = struct.Struct("5P8q")
# Rows of one call; states of more rows would not stay in the cache.
ROWS = 960


class Stack:
    """The layers of a chain, packed; immutable, shared by all states.

    Args:
        layers: node name, weights, and how many states, of each layer.
        every_step: whether the last recurrent layer gives every step.
    """

    def __init__(
        self, layers: Sequence[tuple[str, Packed, int]], *, every_step: bool
    ) -> None:
        self.layers = list(layers)
        self.dtype = np.dtype(np.float32)
        packed = [own for _, own, _ in self.layers]
        self.library: Any = packed[0].library
        self.addresses = np.array([own.address for own in packed], np.uintp)
        self.features, self.units = packed[0].features, packed[-1].units
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
        """Whether ``predict`` can run on x; the other way refuses what does not fit."""
        shape = x.shape
        return (
            len(shape) == 3
            and shape[2] == self.features
            and x.dtype == self.dtype
            and 0 not in shape
        )

    def predict(self, x: Array) -> Array:
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

    def runner(self, carries: Mapping[str, Carry | None], rows: int) -> StackRunner:
        """Buffers for a state, which from now on lives in them."""
        return StackRunner(self, carries, rows)


class StackRunner:
    """One state of a stack.

    Attributes:
        chain: whose state it is.
        shape: of the input of a step.
    """

    __slots__ = ("_call", "_inputs", "_outputs", "_run", "_states", "chain", "shape")

    def __init__(
        self, stack: Stack, carries: Mapping[str, Carry | None], rows: int
    ) -> None:
        found = stack.library
        self.chain = stack
        self.shape = (rows, stack.features)
        states, work = stack.workspace(rows, 1)
        self._states = np.zeros(states + work, np.float32)
        self._inputs = np.zeros(self.shape, np.float32)
        self._outputs = np.zeros((rows, stack.units), np.float32)
        self._run = found.gru2np_stack
        start = address_of(self._states)
        self._call = stack.call(
            (
                address_of(self._inputs),
                start,
                address_of(self._outputs),
                start + 4 * states,
            ),
            (rows, 1),
            (stack.features, 0, stack.units, 0),
            anew=False,
        )
        position = 0
        for name, own, count in stack.layers:
            views = []
            for _ in range(count):
                block = self._states[position : position + rows * own.width]
                views.append(block.reshape(rows, own.width)[:, : own.units])
                position += rows * own.width
            carry = carries.get(name)
            if carry is None:
                continue
            for now, before in zip(views, carry.states):
                now[...] = before
            carry.states = views
            carry.previous = None

    def step(self, x: Array) -> Array:
        """One step; x: (rows, features), float32; gives a fresh array."""
        self._inputs[...] = x
        self._run(self._call)
        y: Array = self._outputs.copy()
        return y


def stack_of(plan: GraphPlan) -> Stack | None:
    """The graph as a stack; None if it is anything else."""
    graph = plan.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    port = graph.inputs[0]
    layers: list[tuple[str, Packed, int]] = []
    before = (port.name, 0)
    library: Any = None
    every_step = False
    for own in plan.plans.values():
        if isinstance(own, CompiledRecurrence):
            library = own.packed.library
    for node in graph.nodes:
        if node.inputs != (before,) or node.mask is not None:
            return None
        before = (node.name, 0)
        own = plan.plans[node.layer]
        layer: Any = own.layer
        weights: Mapping[str, Array] = own.weights
        if layer.dtype != "float32":
            return None
        if layer.op == "time_distributed":
            layer, weights = layer.layers["layer"], child(weights, "layer")
        if layer.op == "identity":
            continue
        if isinstance(own, CompiledRecurrence):
            if layer.go_backwards or layer.time_major:
                return None
            layers.append((node.name, own.packed, len(own.state_shapes())))
            every_step = layer.return_sequences
            continue
        kept = {array.dtype.name for array in weights.values()} <= {"float32"}
        if layer.op != "dense" or layer.dtype != "float32" or not kept:
            return None
        packed = pack_dense(library, layer, weights)
        if packed is None:
            return None
        layers.append((node.name, packed, 0))
    if library is None or port.dtype != "float32" or graph.outputs[0].source != before:
        return None
    return Stack(layers, every_step=every_step)
