"""The states of many sessions in slabs, and time steps of any of them in one batch.

A slab is one array for each state of a node, with one row a session.  What a session
gives must not depend on who else is in the batch, to the bit: products of matrices may
add up their terms in another order for another number of rows, or for another place in
the batch.  The compiled chain keeps one order for two rows or more.  Everything else
runs in tiles of a fixed number of rows; whether a row gives the same in every place of
such a tile is tried once, and where it does not, each session runs alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.data import as_array
from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.layer import sized
from gru2np_runtime.plan import Carry, CarryingPlan
from gru2np_runtime.run.batches import splits_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape
    from gru2np_runtime.run.stream import State, Stream

# Unused states with buffers that are kept for later steps.
SPARE = 4
# Rows of a tile; measured: fewer are slower for many sessions, more for few.
TILE = 32
# Time steps that run at once, the largest first: a block is cut into these.
PIECES = (16, 4, 1)
# Calls of a trial: the first starts from states of zero, which hide products.
CALLS = 3
# What a trial takes for a size that the model leaves open.
OPEN_SIZE = 8


def make_slabs(stream: Stream, capacity: int) -> Slabs:
    """The slabs of a model, for so many sessions."""
    gathers = stream.chain is not None and stream.chain.gathers
    return (ChainSlabs if gathers else GraphSlabs)(stream, capacity)


class Slabs:
    """The states of all sessions by key.

    A key is ``node/0``, ``node/1``, the states in Keras' order, or ``node/previous``,
    the output that a masked step may repeat.

    Attributes:
        keys: for each node with a state, its keys.
        capacity: rows of each slab.
        arrays: the slabs by key, (capacity, ...); made when their sizes are known.
    """

    def __init__(self, stream: Stream, capacity: int) -> None:
        self.stream = stream
        self.capacity = capacity
        self.arrays: dict[str, Array] = {}
        self.keys: dict[str, list[str]] = {}
        self._shapes: dict[str, Shape] = {}
        self._dtypes: dict[str, str] = {}
        graph = stream.plan.graph
        for node in graph.nodes:
            if node.name not in stream.carried:
                continue
            plan = stream.plan.plans[node.layer]
            assert isinstance(plan, CarryingPlan)
            # A size of 0 is one that only the input decides.
            shapes: dict[str, Shape] = {
                f"{node.name}/{i}": tuple(n or None for n in shape)
                for i, shape in enumerate(plan.state_shapes())
            }
            if node.mask is not None:
                per_step = (node.name, 0) in stream.per_step
                output = stream.shapes[node.name][0]
                shapes[f"{node.name}/previous"] = output[2 if per_step else 1 :]
            self.keys[node.name] = list(shapes)
            self._shapes.update(shapes)
            self._dtypes.update(dict.fromkeys(shapes, plan.layer.dtype))

    def slab(self, key: str, shape: Sequence[int]) -> Array:
        """The slab of this key, for rows of this shape.

        Raises:
            InputError: the other sessions have states of another shape.
        """
        # One of two threads that come first makes it.
        slab = self.arrays.get(key)
        if slab is None:
            made = np.zeros((self.capacity, *shape), self._dtypes[key])
            slab = self.arrays.setdefault(key, made)
        if slab.shape[1:] != tuple(shape):
            raise InputError(
                f"state {key!r}: expected {slab.shape[1:]} as the other sessions have, "
                f"got {tuple(shape)}: open sessions of other sizes in streams of their "
                "own, model.streams(capacity)"
            )
        return slab

    def grow(self, capacity: int) -> None:
        """Make room for more sessions; no call may run."""
        grown = {
            key: np.concatenate(
                [slab, np.zeros((capacity - len(slab), *slab.shape[1:]), slab.dtype)]
            )
            for key, slab in self.arrays.items()
        }
        self.arrays, self.capacity = grown, capacity

    def clear(self, row: int) -> None:
        """Set the states of a session to zero."""
        # A first call of other sessions may add slabs meanwhile.
        for slab in list(self.arrays.values()):
            slab[row] = 0

    def saved(self, row: int) -> dict[str, Array]:
        """Copies of the states of a session."""
        return {key: self.arrays[key][row].copy() for key in self._shapes}

    def put(self, row: int, arrays: Mapping[str, Array]) -> None:
        """Set the states of a session to what ``checked`` returned."""
        for key, array in arrays.items():
            self.slab(key, array.shape)[row] = array

    def checked(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """What ``saved`` gave, checked, in the dtypes of the states.

        Raises:
            InputError: a key is missing or unknown, or an array does not fit.
        """
        if not hasattr(arrays, "keys"):
            raise InputError(
                "state: expected arrays by name, as save(id) gives them, got "
                f"{type(arrays).__name__}"
            )
        given = set(arrays.keys())
        if not given:
            # A session before its first time step.
            return {}
        for names, what in (
            (given - set(self._shapes), "unknown"),
            (set(self._shapes) - given, "missing"),
        ):
            if names:
                raise InputError(
                    f"state: {min(map(str, names))!r} is {what}: expected "
                    f"{sorted(self._shapes)}, as save(id) gives them"
                )
        checked = {}
        for key, expected in self._shapes.items():
            what, dtype = f"state {key!r}", self._dtypes[key]
            array = as_array(arrays[key], what, dtype)
            if len(array.shape) != len(expected) or any(
                n not in (None, m) for n, m in zip(expected, array.shape)
            ):
                raise InputError(
                    f"{what}: expected an array of shape {expected}, got "
                    f"{array.shape}: give what save(id) gave"
                )
            checked[key] = array.astype(dtype, copy=False)
        return checked

    def advance(
        self, inputs: Sequence[Array], rows: Array, fresh: Array, *, step: bool
    ) -> list[Array]:
        """Run time steps of some sessions; their states change only if all succeed.

        Args:
            inputs: one row a session; (rows, time, ...), or without the time axis.
            rows: in the slabs, int64, each one once.
            fresh: for each, whether it has no state yet.
            step: whether the inputs are one time step without the time axis.
        """
        raise NotImplementedError


class ChainSlabs(Slabs):
    """A chain whose kernel gathers and scatters the rows."""

    def __init__(self, stream: Stream, capacity: int) -> None:
        super().__init__(stream, capacity)
        assert stream.chain is not None
        self.chain = stream.chain
        keys = [key for keys in self.keys.values() for key in keys]
        for key, (_, units) in zip(keys, self.chain.states):
            self.slab(key, (units,))
        self._located = self.chain.locate(list(self.arrays.values()))

    def grow(self, capacity: int) -> None:
        """The slabs are elsewhere then."""
        super().grow(capacity)
        self._located = self.chain.locate(list(self.arrays.values()))

    def advance(
        self, inputs: Sequence[Array], rows: Array, fresh: Array, *, step: bool
    ) -> list[Array]:
        """One call of the kernel; rows without a state are zero."""
        x = inputs[0][:, None] if step else inputs[0]
        last_only = step or not self.stream.per_step_outputs[0]
        return [self.chain.advance_rows(x, self._located, rows, last_only=last_only)]


class GraphSlabs(Slabs):
    """A graph that runs in tiles of rows, each as large as the others.

    Attributes:
        tile: rows of a tile; 1 where the place in a larger one changes the numbers.
    """

    def __init__(self, stream: Stream, capacity: int) -> None:
        super().__init__(stream, capacity)
        # States with buffers for a tile, which no call is using.
        self._spare: list[State] = []
        if stream.tile is None:
            same = splits_rows(stream.plan.graph) and all(
                self._same_in_every_place(steps) for steps in PIECES
            )
            stream.tile = TILE if same else 1
        self.tile = stream.tile

    def advance(
        self, inputs: Sequence[Array], rows: Array, fresh: Array, *, step: bool
    ) -> list[Array]:
        """Rows without a state run in tiles of their own: inputs may set it."""
        stream = self.stream
        if not len(rows):
            return self._of_no_rows(inputs, step=step)
        outputs: list[Array] = []
        # What rows held before, to put it back if a later tile fails.
        before: list[tuple[Array, dict[str, Array]]] = []
        try:
            for group in (np.flatnonzero(fresh), np.flatnonzero(~fresh)):
                for start in range(0, len(group), self.tile):
                    part = group[start : start + self.tile]
                    # The last row fills up the tile.
                    places = np.arange(start, start + self.tile)
                    take = group.take(places, mode="clip")
                    if fresh[part[0]]:
                        state = stream.initial_state(self.tile)
                    else:
                        arrays = self._gathered(rows[take])
                        before.append((rows[part], arrays))
                        state = self._loaded(arrays)
                    self._run_tile(inputs, take, part, state, outputs, step)
                    self._scatter(state, rows[part])
                    if len(self._spare) < SPARE:
                        self._spare.append(state)
        except BaseException:
            for at, arrays in before:
                for key, array in arrays.items():
                    self.arrays[key][at] = array[: len(at)]
            raise
        return outputs

    def _run_tile(
        self,
        inputs: Sequence[Array],
        take: Array,
        part: Array,
        state: State,
        outputs: list[Array],
        step: bool,
    ) -> None:
        """Run one tile, and write its rows into the outputs, made by the first one."""
        stream = self.stream
        tile = [x.take(take, axis=0) for x in inputs]
        for when, results in self._pieces(tile, state, step=step):
            for i, (y, per_step) in enumerate(zip(results, stream.per_step_outputs)):
                if y.shape[0] != len(take):
                    raise InputError(
                        f"output {stream.plan.graph.outputs[i].name!r}: expected a row "
                        f"for each session, got {y.shape[0]} for {len(take)}: the "
                        "model computes over the batch axis"
                    )
                over_time = per_step and when is not None
                if i == len(outputs):
                    time = self._time(inputs) if over_time else ()
                    shape = (len(inputs[0]), *time, *y.shape[2 if over_time else 1 :])
                    outputs.append(np.empty(shape, y.dtype))
                if over_time:
                    outputs[i][part, when] = y[: len(part)]
                else:
                    outputs[i][part] = y[: len(part)]

    def _pieces(
        self, inputs: Sequence[Array], state: State, *, step: bool
    ) -> Iterator[tuple[slice | None, Sequence[Array]]]:
        """Run a tile piece by piece: the time steps of each, and its outputs."""
        stream = self.stream
        if step:
            yield None, stream.step(inputs, state)
            return
        (time,) = self._time(inputs)
        start = 0
        while start < time:
            steps = next(n for n in PIECES if n <= time - start)
            when = slice(start, start + steps)
            piece = [
                x if not per_step else x[:, when] if steps > 1 else x[:, start]
                for x, per_step in zip(inputs, stream.per_step_inputs)
            ]
            if steps > 1:
                yield when, stream.advance_block(piece, state)
            else:
                results = stream.step(piece, state)
                yield (
                    when,
                    [
                        y[:, None] if per_step else y
                        for y, per_step in zip(results, stream.per_step_outputs)
                    ],
                )
            start += steps

    def _time(self, inputs: Sequence[Array]) -> tuple[int]:
        """The number of time steps of a block."""
        flags = self.stream.per_step_inputs
        return (next(x.shape[1] for x, per_step in zip(inputs, flags) if per_step),)

    def _gathered(self, rows: Array) -> dict[str, Array]:
        """Copies of rows of all slabs; taking is far faster than indexing."""
        return {
            key: self.arrays[key].take(rows, axis=0)
            for keys in self.keys.values()
            for key in keys
        }

    def _loaded(self, arrays: dict[str, Array]) -> State:
        """A state with these arrays, in the buffers of an earlier call if it can."""
        state = None
        # Another thread may have taken the last one.
        with suppress(IndexError):
            state = self._spare.pop()
        if state is None:
            state = self.stream.initial_state(self.tile)
        for node, keys in self.keys.items():
            found = [arrays[key] for key in keys]
            carry = state.carries[node]
            if carry and (state.stepper is not None or node in state.node_steppers):
                for buffer, array in zip(carry.states, found):
                    buffer[...] = array
                continue
            masked = keys[-1] == f"{node}/previous"
            previous = found.pop() if masked else None
            # The arrays are also what is put back after an error.
            state.carries[node] = Carry(found, previous).copy()
        return state

    def _scatter(self, state: State, rows: Array) -> None:
        """Write the first rows of a state into the slabs."""
        carried = self._carried(state)
        slabs = [self.slab(key, array.shape[1:]) for key, array in carried.items()]
        for slab, array in zip(slabs, carried.values()):
            slab[rows] = array[: len(rows)]

    def _carried(self, state: State) -> dict[str, Array]:
        """The arrays of a state by key."""
        arrays = {}
        for node, keys in self.keys.items():
            carry = state.carries[node]
            assert carry is not None
            values = [*carry.states, carry.previous]
            for key, array in zip(keys, values):
                # A plan that takes a mask has said what its last output was.
                assert array is not None
                arrays[key] = array
        return arrays

    def _of_no_rows(self, inputs: Sequence[Array], *, step: bool) -> list[Array]:
        """The outputs of an empty batch."""
        stream = self.stream
        run = stream.step if step else stream.advance_block
        return run(inputs, stream.initial_state(0))

    def _same_in_every_place(self, steps: int) -> bool:
        """Whether a row of a tile gives the same bits wherever it is in the tile."""
        rng = np.random.default_rng(0)
        graph, inputs = self.stream.plan.graph, []
        readers = [node for node in graph.nodes if graph.layers[node.layer].ids]
        ids = {name for node in readers for name, _ in node.inputs}
        for port, per_step in zip(graph.inputs, self.stream.per_step_inputs):
            shape = sized(port.shape[2 if per_step else 1 :], OPEN_SIZE)
            over_time = (steps,) if per_step and steps > 1 else ()
            x = rng.normal(size=(CALLS, TILE, *over_time, *shape))
            # 1 is an id of nearly every table, and in masks it stands for valid.
            numbers = port.dtype.startswith("float") and port.name not in ids
            inputs.append((x if numbers else np.ones_like(x)).astype(port.dtype))

        one = self.stream.step if steps == 1 else self.stream.advance_block

        def run(shift: int) -> list[Array]:
            state = self.stream.initial_state(TILE)
            found = []
            for call in range(CALLS):
                rolled = [np.roll(x[call], shift, axis=0) for x in inputs]
                found += [np.roll(y, -shift, axis=0) for y in one(rolled, state)]
            found += [
                np.roll(array, -shift, axis=0)
                for array in self._carried(state).values()
            ]
            return found

        try:
            with np.errstate(all="ignore"):
                first = run(0)
                return all(
                    a.tobytes() == b.tobytes()
                    for shift in (1, TILE // 2 + 1)
                    for a, b in zip(first, run(shift))
                )
        except Gru2npError:
            # Made-up inputs do not fit this model: nothing is known about it.
            return False
