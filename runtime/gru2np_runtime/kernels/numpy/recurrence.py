"""A recurrent layer over whole sequences, in chunks of rows and of time."""

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

# Measured: a chunk of rows that runs through all time steps keeps its states in the
# cache, and a wide layer wants more rows for its products.
ROWS, WIDE_ROWS, WIDE_UNITS = 128, 256, 512
# Steps at once at most, and bytes of projected inputs that stay in the cache.
STEPS, STEP_BYTES = 128, 2**19
# Workspaces that a plan keeps for later calls.
SPARE = 4


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The plan, or None for options that only the plain recurrence takes."""
    own: Any = layer
    activations = [own.activation, getattr(own, "recurrent_activation", "linear")]
    # A masked step that outputs another state than h is a rare accident of Keras 3.
    held = own.masked_output != "state" or own.masked_state == 0
    same = {array.dtype.name for array in weights.values()} == {own.dtype}
    if not (held and same and all(elementwise(a) for a in activations)):
        return None
    return FastRecurrence(own, weights)


class FastRecurrence(CarryingPlan):
    """Runs a GRU, an LSTM or a SimpleRNN in few calls a step."""

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
        # Workspaces that no call uses now.
        self._spare: list[Workspace] = []

    @property
    def packed(self) -> Packed:
        """The weights, packed at the first use."""
        if self._packed is None:
            pack: Callable[[Any, Mapping[str, Array]], Packed] = PACKED[self.layer.op]
            self._packed = pack(self.layer, self.weights)
        return self._packed

    def how(self) -> str:
        """The fast way has three forms."""
        return "numpy: sequence, batch, step"

    def state_shapes(self) -> list[tuple[int, ...]]:
        """One (units,) for each state."""
        return [(size,) for size in self.layer.state_sizes()]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """Zeros, or the states given."""
        if not states:
            shapes = self.state_shapes()
            states = [np.zeros((batch_size, *shape), self.dtype) for shape in shapes]
        return Carry(states)

    def resume(self, states: Sequence[Array]) -> Carry:
        """The output of the step before is h."""
        return Carry(states, states[0])

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, features); mask: (batch, time), True where valid."""
        layer, units = self.layer, self.units
        # A mask that is an input of the model may be of any type.
        mask = None if mask is None else mask.astype(bool, copy=False)
        if layer.time_major:
            x = x.swapaxes(0, 1)
            mask = None if mask is None else mask.T
        if layer.go_backwards:
            turned = None if mask is None else mask[:, ::-1]
            x = x[:, ::-1]
        else:
            turned = mask
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
        rows = WIDE_ROWS if units >= WIDE_UNITS else ROWS
        # exp may overflow on its way to a gate that is shut.
        with np.errstate(over="ignore", invalid="ignore"):
            if batch == 1:
                self._run(x, turned, states, outputs, after)
            for start in range(0, batch if batch > 1 else 0, rows):
                part = slice(start, start + rows)
                self._run(
                    x[part],
                    None if turned is None else turned[part],
                    [state[part] for state in states],
                    None if outputs is None else outputs[part],
                    [state[part] for state in after],
                )
        y = self._outputs(outputs, mask, turned, after[0], carry.previous, time)
        # Outputs are the caller's to change, states go on.
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
        inside = workspace.inside
        for own, state in zip(workspace.states, states):
            own[...] = inside(state)
        units = self.units
        for start in range(0, x.shape[1], workspace.time):
            now = slice(start, start + workspace.time)
            part = x[:, now]
            steps = part.shape[1]
            workspace.project(part)
            if mask is None:
                rows = workspace.rows
                workspace.run(rows if steps == len(rows) else rows[:steps])
            else:
                workspace.run_masked(mask[:, now])
            if outputs is not None:
                inside(outputs[:, now])[...] = workspace.y[1 : steps + 1, :units]
            workspace.h[0][...] = workspace.h[steps]
        for own, state in zip(workspace.states, after):
            inside(state)[...] = own
        if len(self._spare) < SPARE:
            self._spare.append(workspace)

    def _workspace(self, batch: int) -> Workspace:
        """Buffers for so many rows: those of an earlier call, or new ones."""
        try:
            workspace = self._spare.pop()
            if workspace.batch == batch:
                return workspace
        except IndexError:
            pass
        packed = self.packed
        size = batch * packed.width * packed.dtype.itemsize
        return packed.workspace(max(1, min(STEPS, STEP_BYTES // size)), batch)

    def _outputs(
        self,
        outputs: Array | None,
        mask: Array | None,
        turned: Array | None,
        h: Array,
        previous: Array | None,
        time: int,
    ) -> Array:
        """Put right what masked steps give; the last output.

        Args:
            outputs: (batch, time, units), h after each step; changed in place.
            mask: (batch, time), in the order of the input.
            turned: the same in the order of processing.
            h: after the last step.
            previous: the output before the first step; zeros if not given.
            time: steps.
        """
        if time and (mask is None or turned is None):
            return h
        if previous is None:
            previous = np.zeros_like(h)
        if time == 0 or mask is None or turned is None:
            return previous
        kind = self.layer.masked_output
        if kind == "state":
            return h
        if kind == "zero":
            if outputs is not None:
                outputs[~turned] = 0.0
            return np.where(turned[:, -1:], h, np.zeros_like(h))
        # After a valid step the last output is h; before it, what came before.
        begun = np.logical_or.accumulate(turned, axis=1)
        if outputs is not None:
            before = np.broadcast_to(previous[:, None], outputs.shape)
            np.copyto(outputs, before, where=~begun[:, :, None])
            if kind == "zero_in_input_order":
                outputs[~mask] = 0.0
        return np.where(begun[:, -1:], h, previous)
