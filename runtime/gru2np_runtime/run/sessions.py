"""Sessions: the streams of many users of one model, any of them in one batch."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic

import numpy as np

from gru2np_runtime.data import Output, unpack
from gru2np_runtime.errors import InputError
from gru2np_runtime.run.slabs import make_slabs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.data import Inputs, Structure
    from gru2np_runtime.layer import Array
    from gru2np_runtime.run.stream import Stream

# An id is a row of the slabs, and above these bits how often it was used before.
BITS = 32
CLOSED = -1


class Streams(Generic[Output]):
    """Sessions of one model, each with a state; made by ``Model.streams``.

    A session gives the same numbers, to the bit, whoever else is in the batch and in
    which order.  Many threads can use one object: calls on different sessions run side
    by side, and a session in two calls at once is an error.

    Attributes:
        capacity: sessions that there is memory for; ``open`` doubles it when needed.
    """

    def __init__(
        self,
        stream: Stream,
        inputs: Structure,
        outputs: Structure[Output],
        capacity: int,
    ) -> None:
        self.capacity = capacity
        self._stream = stream
        self._inputs, self._outputs = inputs, outputs
        self._ports = stream.plan.graph.inputs
        self._slabs = make_slabs(stream, capacity)
        # By row: the id of its session, CLOSED, or less while a call uses it; how many
        # of its sessions were closed; whether its session has no state yet.
        self._idle = np.full(capacity, CLOSED, np.int64)
        self._closed = np.zeros(capacity, np.int64)
        self._fresh = np.zeros(capacity, bool)
        # What a call writes over ids: another number for each place in the call.
        self._marks = CLOSED - 1 - np.arange(capacity, dtype=np.int64)
        # The row that was free for the longest time is used first.
        self._free = deque(range(capacity))
        # Guards everything above; calls compute without it, and growth waits for them.
        self._changed = threading.Condition()
        self._running = 0
        self._growing = False

    def __len__(self) -> int:
        """The number of open sessions."""
        return self.capacity - len(self._free)

    def __repr__(self) -> str:
        return f"<gru2np streams: {len(self)} open, capacity {self.capacity}>"

    def open(self) -> int:
        """A new session, before its first time step.

        Beyond the capacity it waits for calls that run, and doubles the slabs.

        Returns:
            Its id; an id is never used again.
        """
        with self._changed:
            while not self._free:
                if self._growing:
                    self._changed.wait()
                else:
                    self._grow()
            row = self._free[0]
            self._slabs.clear(row)
            self._free.popleft()
            self._fresh[row] = True
            session = int(self._closed[row]) << BITS | row
            self._idle[row] = session
            return session

    def close(self, session: int) -> None:
        """End a session; its id is an error from now on.

        Args:
            session: the id.

        Raises:
            InputError: there is no such session, or a call is using it.
        """
        with self._changed:
            (row,) = self._mark(_as_ids([session]))
            self._idle[row] = CLOSED
            self._closed[row] += 1
            self._free.append(int(row))

    def step(self, ids: Sequence[int], x: Inputs) -> Output:
        """Run one time step of some sessions.

        Args:
            ids: of the sessions, in any order, each one once.
            x: as for ``Model.step``, one row a session, in the order of the ids.

        Returns:
            The output for the sequence of each session so far, one row a session, as
            a new array, list or dict.

        Raises:
            InputError: x does not fit, a session is closed, unknown, there twice, or
                in use by another call.  No session has changed then.
        """
        first = self._ports[0]
        if (
            type(x) is np.ndarray
            and len(self._ports) == 1
            and x.dtype == first.dtype
            and x.ndim > 0
            and x.shape[1:] == first.shape[2:]
        ):
            # What unpack checks, in a fraction of the time of a step.
            arrays = [x]
        else:
            shapes = self._stream.step_shapes
            arrays = unpack(x, self._inputs.names, self._ports, shapes, call="step")
        return self._run(ids, arrays, step=True)

    def advance(self, ids: Sequence[int], x: Inputs) -> Output:
        """Run a block of time steps of some sessions.

        Args:
            ids: of the sessions, in any order, each one once.
            x: (sessions, time, features), one row a session, in the order of the ids;
                (sessions, time) for ids; inputs without a time axis as they are.

        Returns:
            (sessions, time, ...); where the model gives the last step alone,
            (sessions, ...); as a new array, list or dict.

        Raises:
            InputError: as for ``step``; or as for ``Model.advance``.
        """
        stream, names = self._stream, self._inputs.names
        shapes = stream.block_shapes
        arrays = unpack(x, names, self._ports, shapes, call="advance")
        stream.time_steps(names, arrays)
        return self._run(ids, arrays, step=False)

    def save(self, session: int) -> dict[str, Array]:
        """Copies of the states of a session, which ``np.savez`` can write.

        Args:
            session: the id.

        Returns:
            Arrays by ``node/0``, ``node/1``, the states in Keras' order, and
            ``node/previous``, the output that a masked step may repeat; empty before
            the first time step.

        Raises:
            InputError: there is no such session, or a call is using it.
        """
        ids = _as_ids([session])
        rows = self._claim(ids)
        try:
            return {} if self._fresh[rows[0]] else self._slabs.saved(int(rows[0]))
        finally:
            self._release(ids, rows)

    def restore(self, arrays: Mapping[str, Array]) -> int:
        """A new session with the states that ``save`` gave, here or anywhere else.

        Returns:
            Its id.

        Raises:
            InputError: an array is missing, unknown, or does not fit.
        """
        checked = self._slabs.checked(arrays)
        session = self.open()
        if checked:
            ids = _as_ids([session])
            rows = self._claim(ids)
            try:
                self._slabs.put(int(rows[0]), checked)
                self._fresh[rows] = False
            except BaseException:
                self._release(ids, rows)
                self.close(session)
                raise
            self._release(ids, rows)
        return session

    def _run(
        self, ids: Sequence[int], arrays: Sequence[Array], *, step: bool
    ) -> Output:
        """Run time steps of sessions; one array for each input."""
        found = _as_ids(ids)
        for name, array in zip(self._inputs.names, arrays):
            if array.shape[0] != len(found):
                raise InputError(
                    f"input {name!r}, axis 0: expected one row for each of the "
                    f"{len(found)} ids, got {array.shape[0]}: x[i] is the row of ids[i]"
                )
        rows = self._claim(found)
        try:
            fresh = self._fresh[rows]
            outputs = self._slabs.advance(arrays, rows, fresh, step=step)
            self._fresh[rows] = False
        finally:
            self._release(found, rows)
        return self._outputs.pack(outputs)

    def _claim(self, ids: Array) -> Array:
        """The rows of sessions, which no other call may use until ``_release``."""
        with self._changed:
            while self._growing:
                self._changed.wait()
            rows = self._mark(ids)
            self._running += 1
        return rows

    def _release(self, ids: Array, rows: Array) -> None:
        with self._changed:
            self._idle[rows] = ids
            self._running -= 1
            if self._growing:
                self._changed.notify_all()

    def _mark(self, ids: Array) -> Array:
        """The rows of sessions that no call uses, marked as used; holds the lock."""
        rows: Array = ids & (2**BITS - 1)
        # Comparing bytes is the fastest way for a few ids, and not slow for many.
        try:
            open_and_idle = self._idle[rows].tobytes() == ids.tobytes()
        except IndexError:
            open_and_idle = False
        if not open_and_idle:
            raise InputError(next(filter(None, map(self._refusal, ids.tolist()))))
        marks = self._marks[: len(rows)]
        if len(marks) == len(rows):
            self._idle[rows] = marks
            if self._idle[rows].tobytes() == marks.tobytes():
                return rows
            self._idle[rows] = ids
        first = np.unique(ids, return_index=True)[1]
        twice = np.delete(ids, first)[0]
        raise InputError(
            f"session {twice} is there twice: give each id once, and several time "
            "steps of a session with advance(ids, x)"
        )

    def _refusal(self, session: int) -> str:
        """Why an id cannot be used; empty if it can."""
        row, used = session & (2**BITS - 1), session >> BITS
        closed = int(self._closed[row]) if row < self.capacity else 0
        if 0 <= used < closed:
            return f"session {session} is closed: open() gives a new one"
        idle = int(self._idle[row]) if row < self.capacity else CLOSED
        if used != closed or idle == CLOSED:
            return (
                f"session {session} is unknown: expected an id that open() or "
                "restore(arrays) of this object gave"
            )
        if idle != session:
            return (
                f"session {session} is in use by another call: a session takes one "
                "call at a time"
            )
        return ""

    def _grow(self) -> None:
        """Double the capacity, when no call runs; holds the lock."""
        self._growing = True
        try:
            while self._running:
                self._changed.wait()
            capacity = 2 * self.capacity
            more = capacity - self.capacity
            idle = np.concatenate([self._idle, np.full(more, CLOSED, np.int64)])
            closed = np.concatenate([self._closed, np.zeros(more, np.int64)])
            fresh = np.concatenate([self._fresh, np.zeros(more, bool)])
            marks = CLOSED - 1 - np.arange(capacity, dtype=np.int64)
            self._slabs.grow(capacity)
            # There was memory for all of it.
            self._idle, self._closed = idle, closed
            self._fresh, self._marks = fresh, marks
            self._free.extend(range(self.capacity, capacity))
            self.capacity = capacity
        finally:
            self._growing = False
            self._changed.notify_all()


def _as_ids(ids: Sequence[int] | Array) -> Array:
    """Ids as an array.

    Raises:
        InputError: they are no integers in a row.
    """
    try:
        found = np.asarray(ids)
        if found.shape == (0,):
            return np.empty(0, np.int64)
        if found.ndim == 1 and found.dtype.kind in "iu":
            # A copy: what marks a session as used must not change during a call.
            return found.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        pass
    shown = repr(ids)
    raise InputError(
        "ids: expected a list of integers from open(), got "
        f"{shown if len(shown) < 60 else type(ids).__name__}"
    )
