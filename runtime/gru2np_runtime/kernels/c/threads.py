"""Large batches over threads: ctypes releases the GIL during a call of the kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Multiplications worth the start of a thread, about half a millisecond of them.
WORTH = 20_000_000
# Rows of a part are a multiple of this: every register tile of the kernel divides it.
TILE = 24


def thread_count() -> int:
    """``GRU2NP_THREADS``, or the number of processors that this process may use.

    Raises:
        InputError: ``GRU2NP_THREADS`` is not an integer of 1 or more.
    """
    wanted = os.environ.get("GRU2NP_THREADS", "")
    if not wanted:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise InputError(f"GRU2NP_THREADS: expected a number from 1 on, got {wanted!r}")
    return int(wanted)


def row_ranges(rows: int, products: int) -> list[tuple[int, int]]:
    """Start and stop row of the part of each thread.

    Args:
        rows: of the batch.
        products: multiplications for one row.
    """
    limit = min(rows * products // WORTH, rows // TILE)
    if limit < 2:
        return [(0, rows)]
    count = min(limit, thread_count())
    size = -(-rows // count)
    size = -(-size // TILE) * TILE
    return [(first, min(first + size, rows)) for first in range(0, rows, size)]


def run_all(
    function: Callable[[bytes], None],
    calls: Sequence[Sequence[bytes]],
    arrays: Sequence[object],
) -> None:
    """Run the calls of each part in order, the parts in parallel.

    Args:
        function: runs one call.
        calls: for each part, its calls.
        arrays: the arrays whose addresses the calls contain.
    """
    if len(calls) == 1:
        for call in calls[0]:
            function(call)
        return

    def run(part: Sequence[bytes], arrays: Sequence[object]) -> None:
        for call in part:
            function(call)

    import threading

    # A thread holds references to the arrays: it may outlive an interrupted call.
    threads = [threading.Thread(target=run, args=(part, arrays)) for part in calls[1:]]
    started = []
    for thread in threads:
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more threads: the remaining parts run here.
            break
        started.append(thread)

    def join() -> None:
        for thread in started:
            thread.join()

    try:
        for part in (calls[0], *calls[1 + len(started) :]):
            run(part, arrays)
        join()
    except BaseException:
        # After an interrupted call its sessions belong to others, so nobody may write.
        join()
        raise
