"""A chain of layers in one call of the compiled kernel.

The states are in one block of memory that the kernel updates in place, for one time
step, for a block of them or for a whole sequence.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.c.plans import (
    CompiledRecurrence,
    address_of,
    pack_dense,
    readable,
)
from gru2np_runtime.kernels.c.threads import row_ranges, run_all
from gru2np_runtime.kernels.plain.pointwise import DensePlan
from gru2np_runtime.plan import Chain, Stepper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.kernels.c.plans import Packed
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry, Link

# The fields of struct chain in chain.h.
_CHAIN = struct.Struct("6P8q")
# The fields after the chain in struct sessions of chain.h.
_SESSIONS = struct.Struct("2P")
# Rows of one call: the states of more rows would not stay in the cache.
ROWS = 960
# MAX_ROWS and ALIGNMENT of kernel.c: rows that run through time together; floats.
CHUNK, ALIGNMENT = 96, 16
# Limits of the time steps of one call of ``advance``, and of the floats that it copies.
STEPS, FLOATS = 512, 2**18
# Unused buffers that a chain keeps for later calls.
SPARE = 4


class CompiledChain(Chain):
    """Recurrent and Dense layers, packed for the library.

    Args:
        layers: node name, packed weights and number of states of each layer.
        return_sequences: of the last recurrent layer.
    """

    gathers = True
    runs_sequences = True

    def __init__(
        self, layers: Sequence[tuple[str, Packed, int]], *, return_sequences: bool
    ) -> None:
        self.layers = list(layers)
        packed = [weights for _, weights, _ in self.layers]
        super().__init__("float32", packed[0].features, packed[-1].units)
        self.states = [
            (name, weights.units)
            for name, weights, count in self.layers
            for _ in range(count)
        ]
        self.library: Any = packed[0].library
        self.addresses = np.array([weights.address for weights in packed], np.uintp)
        self.return_sequences = return_sequences
        self.products = sum(weights.products for weights in packed)
        self._address = self.addresses.ctypes.data
        # The last (rows, time), and the sizes for them.
        self._cached_sizes = (0, 0), (0, 0)
        # Buffers that no call is using.
        self._spare: list[Block] = []

    def workspace(self, rows: int, time: int) -> tuple[int, int]:
        """Sizes of the states and of the workspace, in floats."""
        shape, sizes = self._cached_sizes
        if shape != (rows, time):
            workspace = self.library.gru2np_chain_workspace
            sizes = (
                sum(rows * layer.width * count for _, layer, count in self.layers),
                sum(
                    workspace(layer.address, rows, time) for _, layer, _ in self.layers
                ),
            )
            # One assignment, so that other threads see a matching pair.
            self._cached_sizes = (rows, time), sizes
        return sizes

    def call(
        self,
        addresses: Sequence[int],
        shape: Sequence[int],
        strides: Sequence[int],
        *,
        zero_states: bool = False,
        turn: int = 0,
    ) -> bytes:
        """A struct chain.

        Args:
            addresses: of x, states, y and workspace.
            shape: rows and time steps.
            strides: x row, x time, y row, y time, in floats.
            zero_states: whether the kernel sets the states to zero first.
            turn: address of the number of calls, or 0.
        """
        fixed = self._address, *addresses, turn, len(self.layers)
        return _CHAIN.pack(*fixed, *shape, *strides, zero_states)

    def accepts(self, x: Array) -> bool:
        """Whether ``run`` can run on x; else the graph runs, and checks the input."""
        shape = x.shape
        return (
            len(shape) == 3
            and shape[2] == self.features
            and x.dtype == self.dtype
            and 0 not in shape
        )

    def run(self, x: Array) -> Array:
        """x: (batch, time, features), float32, no size 0; starts from zero states."""
        batch, time, _ = x.shape
        if x.strides[2] != 4 or not x.flags.aligned:
            x = readable(x)
        row, step, _ = x.strides
        if self.return_sequences:
            y = np.empty((batch, time, self.units), np.float32)
            y_row, y_step = time * self.units, self.units
        else:
            y = np.empty((batch, self.units), np.float32)
            y_row, y_step = self.units, 0
        strides = row // 4, step // 4, y_row, y_step
        calls, blocks = [], []
        for start, stop in row_ranges(batch, time * self.products):
            rows = min(ROWS, stop - start)
            states, work = self.workspace(rows, time)
            block = np.empty(states + work, np.float32)
            blocks.append(block)
            address = address_of(block)
            part_calls = []
            for first in range(start, stop, rows):
                addresses = (
                    address_of(x) + first * row,
                    address,
                    address_of(y) + 4 * first * y_row,
                    address + 4 * states,
                )
                shape = min(rows, stop - first), time
                call = self.call(addresses, shape, strides, zero_states=True)
                part_calls.append(call)
            calls.append(part_calls)
        run_all(self.library.gru2np_chain, calls, (x, y, blocks, self))
        return y

    def locate(self, slabs: Sequence[Array]) -> tuple[object, int]:
        """What must be kept, and the address of the addresses of the slabs."""
        addresses = np.array([address_of(slab) for slab in slabs], np.uintp)
        return (slabs, addresses), address_of(addresses)

    def advance_rows(
        self, x: Array, slabs: Any, rows: Array, *, last_only: bool
    ) -> Array:
        """The kernel gathers and scatters; it runs one session as two equal rows."""
        count, time, _ = x.shape
        if x.strides[2] != 4 or not x.flags.aligned:
            x = readable(x)
        row, step, _ = x.strides
        _, slabs_address = slabs
        if last_only:
            y = np.empty((count, self.units), np.float32)
            y_row, y_step = self.units, 0
        else:
            y = np.empty((count, time, self.units), np.float32)
            y_row, y_step = time * self.units, self.units
        if not count:
            return y
        x_address, y_address, rows_address = map(address_of, (x, y, rows))
        strides = row // 4, step // 4, y_row, y_step
        calls, blocks = [], []
        for start, stop in row_ranges(count, time * self.products):
            states, work = self.workspace(min(max(stop - start, 2), CHUNK), time)
            # The kernel starts the states at the next cache line.
            states += ALIGNMENT
            block = np.empty(states + work, np.float32)
            blocks.append(block)
            address = address_of(block)
            addresses = (
                x_address + start * row,
                address,
                y_address + 4 * start * y_row,
                address + 4 * states,
            )
            chain = self.call(addresses, (stop - start, time), strides)
            index = rows_address + start * rows.itemsize
            calls.append([chain + _SESSIONS.pack(slabs_address, index)])
        kept = (x, y, slabs, rows, blocks, self)
        run_all(self.library.gru2np_sessions, calls, kept)
        return y

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """Buffers of one state, and the call that runs one step in them."""
        return CompiledStepper(self, carries, rows)

    def take_block(self, shape: tuple[int, ...]) -> Block:
        """Buffers for an input of this shape: those of an earlier call, or new ones.

        They belong to the chain: a state that waits for its next block is small.
        """
        if self._spare:
            try:
                block = self._spare.pop()
                if block.inputs.shape == shape:
                    return block
            except IndexError:  # Another thread was faster.
                pass
        return Block(self, shape)

    def keep_block(self, block: Block) -> None:
        """Keep buffers for later calls."""
        if len(self._spare) < SPARE:
            self._spare.append(block)


class Block:
    """Inputs, outputs and workspace for blocks of time steps, all of one shape.

    Attributes:
        inputs: (rows, time, features).
        outputs: (rows, time, units), or (rows, units) of the last step alone.
    """

    __slots__ = ("_call", "_chain", "_states", "_work", "inputs", "outputs")

    def __init__(self, chain: CompiledChain, shape: tuple[int, ...]) -> None:
        rows, time, _ = shape
        steps = (time,) if chain.return_sequences else ()
        self._chain = chain
        self.inputs = np.empty(shape, np.float32)
        self.outputs = np.empty((rows, *steps, chain.units), np.float32)
        self._work = np.empty(chain.workspace(rows, time)[1], np.float32)
        self._states, self._call = 0, b""

    def call(self, states: int) -> bytes:
        """The call of the kernel for states at this address; most often the last's."""
        if self._states != states:
            chain, (rows, time, features) = self._chain, self.inputs.shape
            x, y, work = map(address_of, (self.inputs, self.outputs, self._work))
            steps = time if chain.return_sequences else 1
            self._call = chain.call(
                (x, states, y, work),
                (rows, time),
                (
                    time * features,
                    features,
                    steps * chain.units,
                    chain.units if chain.return_sequences else 0,
                ),
            )
            self._states = states
        return self._call


class CompiledStepper(Stepper):
    """The states of a chain in one block of memory, and the call for one step."""

    __slots__ = (
        "_call",
        "_chain",
        "_inputs",
        "_longest",
        "_outputs",
        "_run",
        "_start",
        "_states",
    )

    def __init__(
        self, chain: CompiledChain, carries: Mapping[str, Carry | None], rows: int
    ) -> None:
        super().__init__(chain, rows)
        self._chain = chain
        states, work = chain.workspace(rows, 1)
        # In the end the number of calls.
        self._states = np.zeros(states + work + 1, np.float32)
        self._inputs = np.zeros(self.shape, np.float32)
        self._outputs = np.zeros(self.output_shape, np.float32)
        self._run = chain.library.gru2np_chain
        self._start = start = address_of(self._states)
        self._call = chain.call(
            (
                address_of(self._inputs),
                start,
                address_of(self._outputs),
                start + 4 * states,
            ),
            (rows, 1),
            (chain.features, 0, chain.units, 0),
            turn=start + 4 * (states + work),
        )
        size = max(1, rows * (chain.features + chain.units))
        self._longest = max(3, min(STEPS, FLOATS // size))
        position = 0
        for name, packed, count in chain.layers:
            views = []
            for _ in range(count):
                block = self._states[position : position + rows * packed.width]
                views.append(block.reshape(rows, packed.width)[:, : packed.units])
                position += rows * packed.width
            self.move_states(carries.get(name), views)

    def step(self, x: Array, out: Array | None = None) -> Array:
        """One step; with ``out`` it makes no array."""
        self._inputs[...] = x
        self._run(self._call)
        if out is None:
            y: Array = self._outputs.copy()
            return y
        out[...] = self._outputs
        return out

    def block_output_shape(self, time: int) -> tuple[int, ...]:
        """(rows, time, units), or (rows, units) of the last step alone."""
        if not self._chain.return_sequences:
            return self.output_shape
        rows, units = self.output_shape
        return rows, time, units

    def advance(self, x: Array, out: Array | None = None) -> Array:
        """Some steps; with ``out``, and as many steps as before, it makes no array."""
        chain, time = self._chain, x.shape[1]
        if time > self._longest:
            return self._advance_long(x, out)
        block = chain.take_block(x.shape)
        block.inputs[...] = x
        self._run(block.call(self._start))
        if out is None:
            out = block.outputs.copy()
        else:
            out[...] = block.outputs
        chain.keep_block(block)
        return out

    def _advance_long(self, x: Array, out: Array | None) -> Array:
        """More steps than fit into the buffers."""
        chain, time = self._chain, x.shape[1]
        if out is None:
            out = np.empty(self.block_output_shape(time), np.float32)
        elif np.may_share_memory(x, out):
            x = x.copy()
        begin = 0
        while begin < time:
            end = begin + self._longest
            # The kernel adds up one step alone in another order.
            end = time if end > time else end - 1 if end == time - 1 else end
            part = out[:, begin:end] if chain.return_sequences else out
            self.advance(x[:, begin:end], part)
            begin = end
        return out


def chain(links: Sequence[Link], dtype: str) -> Chain | None:
    """The chain of these layers; None if the kernel cannot run one of them."""
    if dtype != "float32":
        return None
    layers: list[tuple[str, Packed, int]] = []
    library: Any = None
    return_sequences = False
    for link in links:
        if isinstance(link.plan, CompiledRecurrence):
            library = link.plan.packed.library
    for link in links:
        plan = link.plan
        if isinstance(plan, CompiledRecurrence):
            layers.append((link.node, plan.packed, len(plan.state_shapes())))
            return_sequences = plan.layer.return_sequences
        elif isinstance(plan, DensePlan):
            packed = pack_dense(library, plan.layer, plan.weights)
            if packed is None:
                return None
            layers.append((link.node, packed, 0))
        else:
            return None
    return CompiledChain(layers, return_sequences=return_sequences)
