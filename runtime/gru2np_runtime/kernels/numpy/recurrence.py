"""A recurrent layer over whole sequences, in chunks of rows and tiles of time steps.

They are sized for the processor's cache; ``run/batches.py`` bounds memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.gru import PackedGRU
from gru2np_runtime.kernels.numpy.lstm import PackedLSTM
from gru2np_runtime.kernels.numpy.packed import elementwise
from gru2np_runtime.kernels.numpy.simple_rnn import PackedSimpleRNN
from gru2np_runtime.plan import Carry, CarryingPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.kernels.numpy.packed import Packed, Workspace
    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.layers.recurrent import GRU, LSTM, SimpleRNN
    from gru2np_runtime.plan import Parts, Plan

PACKED = {"gru": PackedGRU, "lstm": PackedLSTM, "simple_rnn": PackedSimpleRNN}

# Rows of a chunk, which runs through all time steps; measured.  Its states stay in the
# cache; products of wide layers are faster with more rows.
CHUNK_ROWS, WIDE_CHUNK_ROWS, WIDE_UNITS = 128, 256, 512
# Limits of a tile, the time steps whose inputs are projected together: its steps, and
# the bytes of projected inputs that stay in the cache.
TILE_STEPS, TILE_BYTES = 128, 2**19
# Unused workspaces that a plan keeps for later calls.
SPARE = 4


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The plan; None for options that only the plain recurrence supports."""
    cell: Any = layer
    activations = [cell.activation, getattr(cell, "recurrent_activation", "linear")]
    # Masked steps that output another state than h are rare, an accident of Keras 3.
    outputs_h = cell.masked_output != "state" or cell.masked_state == 0
    same_dtype = {array.dtype.name for array in weights.values()} == {cell.dtype}
    if not (outputs_h and same_dtype and all(elementwise(a) for a in activations)):
        return None
    return NumPyRecurrence(cell, weights)


class NumPyRecurrence(CarryingPlan):
    """Runs a GRU, an LSTM or a SimpleRNN with few NumPy calls per time step."""

    kernel = "numpy"

    def __init__(
        self, layer: GRU | LSTM | SimpleRNN, weights: Mapping[str, Array]
    ) -> None:
        super().__init__(layer, weights)
        self.layer: GRU | LSTM | SimpleRNN = layer
        self.batch_axis = 1 if layer.time_major else 0
        self.dtype = weights["kernel"].dtype
        self.units = layer.units
        self._packed: Packed | None = None
        # Workspaces that no call is using.
        self._spare: list[Workspace] = []

    @property
    def packed(self) -> Packed:
        """The weights, packed on first use."""
        if self._packed is None:
            pack: Callable[[Any, Mapping[str, Array]], Packed] = PACKED[self.layer.op]
            self._packed = pack(self.layer, self.weights)
        return self._packed

    def description(self) -> str:
        """In NumPy: whole sequences of one row and of several, and single steps."""
        return "numpy: sequence, batch, step"

    def state_shapes(self) -> list[tuple[int, ...]]:
        """(units,) for each state: h, and c of an LSTM."""
        return [(size,) for size in self.layer.state_sizes()]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The initial states; zeros by default."""
        if not states:
            shapes = self.state_shapes()
            states = [np.zeros((batch_size, *shape), self.dtype) for shape in shapes]
        return Carry(states)

    def resume(self, states: Sequence[Array]) -> Carry:
        """The previous output is h."""
        return Carry(states, states[0])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, features); mask: (batch, time), True where valid."""
        layer, units = self.layer, self.units
        # A mask that is an input of the model may have any dtype.
        mask = None if mask is None else mask.astype(bool, copy=False)
        if layer.time_major:
            x = x.swapaxes(0, 1)
            mask = None if mask is None else mask.T
        if layer.go_backwards:
            ordered_mask = None if mask is None else mask[:, ::-1]
            x = x[:, ::-1]
        else:
            ordered_mask = mask
        batch, time, features = x.shape
        if features != self.weights["kernel"].shape[0]:
            raise ValueError(
                f"expected {self.weights['kernel'].shape[0]} features, got {features}"
            )
        if mask is not None and mask.shape != (batch, time):
            raise ValueError(f"expected a mask {(batch, time)}, got {mask.shape}")
        shape = (batch, units)
        states = [
            state if state.shape == shape else np.broadcast_to(state, shape)
            for state in carry.states
        ]
        after = [np.empty(shape, self.dtype) for _ in states]
        outputs = None
        if layer.return_sequences:
            if layer.time_major:
                outputs = np.empty((time, batch, units), self.dtype).swapaxes(0, 1)
            else:
                outputs = np.empty((batch, time, units), self.dtype)
        rows = WIDE_CHUNK_ROWS if units >= WIDE_UNITS else CHUNK_ROWS
        # exp may overflow where a gate is closed; the result is right.
        with np.errstate(over="ignore", invalid="ignore"):
            if batch == 1:
                self._run(x, ordered_mask, states, outputs, after)
            for start in range(0, batch if batch > 1 else 0, rows):
                part = slice(start, start + rows)
                self._run(
                    x[part],
                    None if ordered_mask is None else ordered_mask[part],
                    [state[part] for state in states],
                    None if outputs is None else outputs[part],
                    [state[part] for state in after],
                )
        y = self._mask_outputs(
            outputs, mask, ordered_mask, after[0], carry.previous, time
        )
        # Callers may change outputs, but not the states of the carry.
        if outputs is None:
            result = y.copy()
        else:
            result = outputs.swapaxes(0, 1) if layer.time_major else outputs
        returned = [state.copy() for state in after] if layer.return_state else []
        return (result, *returned), Carry(after, y)

    def _run(
        self,
        x: Array,
        mask: Array | None,
        states: list[Array],
        outputs: Array | None,
        after: list[Array],
    ) -> None:
        """One chunk of rows through all time steps."""
        workspace = self._workspace(x.shape[0])
        units_major = workspace.units_major
        for buffer, state in zip(workspace.states, states):
            buffer[...] = units_major(state)
        units = self.units
        for start in range(0, x.shape[1], workspace.time):
            tile = slice(start, start + workspace.time)
            inputs = x[:, tile]
            steps = inputs.shape[1]
            workspace.project(inputs)
            if mask is None:
                rows = workspace.rows
                workspace.run(rows if steps == len(rows) else rows[:steps])
            else:
                workspace.run_masked(mask[:, tile])
            if outputs is not None:
                units_major(outputs[:, tile])[...] = workspace.y[1 : steps + 1, :units]
            workspace.h[0][...] = workspace.h[steps]
        for buffer, state in zip(workspace.states, after):
            units_major(state)[...] = buffer
        if len(self._spare) < SPARE:
            self._spare.append(workspace)

    def _workspace(self, batch: int) -> Workspace:
        """Buffers for this many rows: those of an earlier call, or new ones."""
        try:
            workspace = self._spare.pop()
            if workspace.batch == batch:
                return workspace
        except IndexError:
            pass
        packed = self.packed
        size = batch * packed.width * packed.dtype.itemsize
        return packed.workspace(max(1, min(TILE_STEPS, TILE_BYTES // size)), batch)

    def _mask_outputs(
        self,
        outputs: Array | None,
        mask: Array | None,
        ordered_mask: Array | None,
        h: Array,
        previous: Array | None,
        time: int,
    ) -> Array:
        """Set the outputs of masked steps; returns the last output.

        Args:
            outputs: (batch, time, units), h after each step; changed in place.
            mask: (batch, time), in input order.
            ordered_mask: the same in processing order.
            h: after the last step.
            previous: the output before the first step; None means zeros.
            time: number of time steps.
        """
        if time and (mask is None or ordered_mask is None):
            return h
        if previous is None:
            previous = np.zeros_like(h)
        if time == 0 or mask is None or ordered_mask is None:
            return previous
        kind = self.layer.masked_output
        if kind == "state":
            return h
        if kind == "zero":
            if outputs is not None:
                outputs[~ordered_mask] = 0.0
            return np.where(ordered_mask[:, -1:], h, np.zeros_like(h))
        # From the first valid step on the output is h; before it, the previous output.
        started = np.logical_or.accumulate(ordered_mask, axis=1)
        if outputs is not None:
            before = np.broadcast_to(previous[:, None], outputs.shape)
            np.copyto(outputs, before, where=~started[:, :, None])
            if kind == "zero_in_input_order":
                outputs[~mask] = 0.0
        return np.where(started[:, -1:], h, previous)
