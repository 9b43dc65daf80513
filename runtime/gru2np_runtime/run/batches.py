"""How much of a large input runs at once, so that memory is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.layer import Array
    from gru2np_runtime.run.execution import GraphPlan
    from gru2np_runtime.run.stream import Stream

# Values between the layers, in bytes, that a call may hold at once.
BYTES = 2**26
# Rows and steps are taken by this number, as the recurrent layers take them.
ROWS = STEPS = 128


class Batches:
    """Sizes up a model's inputs; immutable but for what it remembers."""

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        self.by_rows = plan.graph.rows_apart
        self._row_bytes: tuple[object, float] | None = None
        self._stream: tuple[Stream | None] | None = None

    def rows(self, arrays: Sequence[Array]) -> int | None:
        """Rows to run at once; None for all."""
        rows = arrays[0].shape[0]
        if rows <= ROWS or not self.by_rows:
            return None
        wanted = int(BYTES / max(1.0, self._bytes(arrays))) // ROWS * ROWS
        return None if wanted >= rows else max(ROWS, wanted)

    def steps(self, arrays: Sequence[Array]) -> int | None:
        """Time steps to run at once; None for all, or where time is not run along."""
        size = arrays[0].shape[0] * self._bytes(arrays)
        if size <= BYTES:
            return None
        stream = self.stream()
        if stream is None:
            return None
        lengths = {
            x.shape[1]
            for x, over in zip(arrays, stream.per_step_inputs)
            if over and x.ndim > 1
        }
        # Two lengths broadcast somewhere.
        if len(lengths) != 1:
            return None
        time = lengths.pop()
        steps = max(STEPS, int(BYTES * time / size) // STEPS * STEPS)
        return None if steps >= time else steps

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The model's outputs for these rows, its time in pieces where it is long."""
        steps = self.steps(arrays)
        if steps is not None:
            return self._forward(arrays, steps)
        return list(self.plan.run(arrays, None))

    def _forward(self, arrays: Sequence[Array], steps: int) -> list[Array]:
        """The outputs, from so many time steps after the other."""
        stream = self.stream()
        assert stream is not None
        rows = arrays[0].shape[0]
        time = max(x.shape[1] for x, o in zip(arrays, stream.per_step_inputs) if o)
        state = stream.initial_state(rows)
        results: list[Array] = []
        for start in range(0, time, steps):
            now = slice(start, start + steps)
            part = [
                x[:, now] if over else x
                for x, over in zip(arrays, stream.per_step_inputs)
            ]
            outputs = stream.advance(part, state)
            for i, (y, over) in enumerate(zip(outputs, stream.per_step_outputs)):
                if start == 0:
                    shape = (rows, time, *y.shape[2:])
                    results.append(np.empty(shape, y.dtype) if over else y)
                if over:
                    results[i][:, now] = y
                else:
                    results[i] = y
        return results

    def stream(self) -> Stream | None:
        """The model step by step, if it runs forward in time."""
        if self._stream is None:
            from gru2np_runtime.run.stream import Stream

            found = None
            try:
                stream = Stream(self.plan)
            except InputError:
                pass
            else:
                graph = self.plan.graph
                ports = zip(graph.inputs, stream.per_step_inputs)
                free = all(port.shape[1] is None for port, over in ports if over)
                late = any(port.source in stream.late for port in graph.outputs)
                found = stream if free and not late else None
            # One assignment, for another thread may be at it too.
            self._stream = (found,)
        return self._stream[0]

    def _bytes(self, arrays: Sequence[Array]) -> float:
        """Bytes of all values between the layers for one row; 0 if not known."""
        key = [x.shape[1:] for x in arrays]
        if self._row_bytes is None or self._row_bytes[0] != key:
            try:
                known, _ = self.plan.graph.infer_nodes([(1, *k) for k in key])
            except ValueError:
                # The layers themselves will say what does not fit.
                return 0.0
            sizes = [
                float(np.prod([n or 1 for n in shape], dtype=float))
                for shapes in known.values()
                for shape in shapes
            ]
            self._row_bytes = (key, 4.0 * sum(sizes))
        return self._row_bytes[1]


def in_batches(
    run: Callable[[list[Array]], list[Array]], arrays: Sequence[Array], batch_size: int
) -> list[Array]:
    """The outputs of all rows, so many at once, written in one place."""
    rows = arrays[0].shape[0]
    results: list[Array] = []
    rest: list[list[Array]] = []
    for start in range(0, rows, batch_size):
        now = slice(start, min(start + batch_size, rows))
        part = run([x[now] for x in arrays])
        if start == 0 and all(y.shape[:1] == (batch_size,) for y in part):
            results = [np.empty((rows, *y.shape[1:]), y.dtype) for y in part]
        if not results:
            # An operation on the batch axis: an output has rows of its own.
            rest.append(part)
            continue
        for result, y in zip(results, part):
            if y.shape[:1] != (now.stop - now.start,):
                raise InputError(f"expected {len(result[now])} rows, got {y.shape}")
            result[now] = y
    return results or [np.concatenate(part) for part in zip(*rest)]
