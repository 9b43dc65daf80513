"""Large inputs in batches of rows and blocks of time steps, to bound memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.errors import InputError
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Array
    from gru2np_runtime.run.execution import GraphPlan
    from gru2np_runtime.run.stream import Stream

# Limit of the values between the layers that exist at once, in bytes.
BYTES = 2**26
# Batches and blocks are multiples of these, the NumPy kernel's chunk and tile.
ROWS = STEPS = 128


class Batches:
    """Chooses batch and block sizes for one model; immutable except for its caches."""

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        self.splits_rows = splits_rows(plan.graph)
        self._row_bytes: tuple[object, float] | None = None
        self._stream: tuple[Stream | None] | None = None

    def rows(self, arrays: Sequence[Array]) -> int | None:
        """Rows of a batch; None for all rows at once."""
        rows = arrays[0].shape[0]
        if rows <= ROWS or not self.splits_rows:
            return None
        fitting = int(BYTES / max(1.0, self._bytes(arrays))) // ROWS * ROWS
        return None if fitting >= rows else max(ROWS, fitting)

    def steps(self, arrays: Sequence[Array]) -> int | None:
        """Time steps of a block; None for all, or if the model cannot run in blocks."""
        size = arrays[0].shape[0] * self._bytes(arrays)
        if size <= BYTES:
            return None
        stream = self.stream()
        if stream is None:
            return None
        lengths = {
            x.shape[1]
            for x, per_step in zip(arrays, stream.per_step_inputs)
            if per_step and x.ndim > 1
        }
        # Different lengths broadcast somewhere in the model.
        if len(lengths) != 1:
            return None
        time = lengths.pop()
        steps = max(STEPS, int(BYTES * time / size) // STEPS * STEPS)
        return None if steps >= time else steps

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs of the model for these rows; long sequences in blocks."""
        steps = self.steps(arrays)
        if steps is not None:
            return self._run_blocks(arrays, steps)
        return list(self.plan.run(arrays, None))

    def _run_blocks(self, arrays: Sequence[Array], steps: int) -> list[Array]:
        """The outputs, computed in blocks of this many time steps."""
        stream = self.stream()
        assert stream is not None
        rows = arrays[0].shape[0]
        time = max(
            x.shape[1]
            for x, per_step in zip(arrays, stream.per_step_inputs)
            if per_step
        )
        state = stream.initial_state(rows)
        results: list[Array] = []
        for start in range(0, time, steps):
            block = slice(start, start + steps)
            inputs = [
                x[:, block] if per_step else x
                for x, per_step in zip(arrays, stream.per_step_inputs)
            ]
            outputs = stream.advance(inputs, state)
            for i, (y, per_step) in enumerate(zip(outputs, stream.per_step_outputs)):
                if start == 0:
                    shape = (rows, time, *y.shape[2:])
                    results.append(np.empty(shape, y.dtype) if per_step else y)
                if per_step:
                    results[i][:, block] = y
                else:
                    results[i] = y
        return results

    def stream(self) -> Stream | None:
        """The stream of the model; None if it cannot run in blocks of time steps."""
        if self._stream is None:
            from gru2np_runtime.run.stream import Stream

            usable = None
            try:
                stream = Stream(self.plan)
            except InputError:
                pass
            else:
                graph = self.plan.graph
                ports = zip(graph.inputs, stream.per_step_inputs)
                free = all(p.shape[1] is None for p, per_step in ports if per_step)
                fixed = stream.end_dependent.isdisjoint(p.source for p in graph.outputs)
                usable = stream if free and fixed else None
            # One assignment, because another thread may do the same.
            self._stream = (usable,)
        return self._stream[0]

    def _bytes(self, arrays: Sequence[Array]) -> float:
        """Bytes of all values between the layers for one row; 0 if unknown."""
        key = [x.shape[1:] for x in arrays]
        if self._row_bytes is None or self._row_bytes[0] != key:
            try:
                known, _ = self.plan.graph.infer_nodes([(1, *k) for k in key])
            except ValueError:
                # The layer that the inputs do not fit raises the error.
                return 0.0
            sizes = [
                float(np.prod([n or 1 for n in shape], dtype=float))
                for shapes in known.values()
                for shape in shapes
            ]
            self._row_bytes = (key, 4.0 * sum(sizes))
        return self._row_bytes[1]


def splits_rows(graph: Graph) -> bool:
    """Whether the model states that the rows of a batch do not depend on each other."""
    return graph.independent_rows and not any(
        isinstance(value, CustomFunction) and not value.per_step
        for _, layer in walk(graph)
        for value in layer.attributes().values()
    )


def in_batches(
    run: Callable[[list[Array]], list[Array]], arrays: Sequence[Array], batch_size: int
) -> list[Array]:
    """The outputs of all rows, computed in batches."""
    rows = arrays[0].shape[0]
    results: list[Array] = []
    unaligned: list[list[Array]] = []
    for start in range(0, rows, batch_size):
        batch = slice(start, min(start + batch_size, rows))
        part = run([x[batch] for x in arrays])
        if start == 0 and all(y.shape[:1] == (batch_size,) for y in part):
            results = [np.empty((rows, *y.shape[1:]), y.dtype) for y in part]
        if not results:
            # An operation on the batch axis: the rows of an output are not the inputs'.
            unaligned.append(part)
            continue
        for result, y in zip(results, part):
            if y.shape[:1] != (batch.stop - batch.start,):
                raise InputError(f"expected {len(result[batch])} rows, got {y.shape}")
            result[batch] = y
    return results or [np.concatenate(part) for part in zip(*unaligned)]
