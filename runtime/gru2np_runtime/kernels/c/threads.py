"""Large batches over threads: the compiled kernel lets go of Python's lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Multiplications that repay the start of a thread, about half a millisecond.
WORTH = 20_000_000
# Rows of a part are a multiple of the kernel's register tiles.
TILE = 24


def thread_count() -> int:
    """``GRU2NP_THREADS``, or the processors that this process may use.

    Raises:
        InputError: ``GRU2NP_THREADS`` is not a number from 1 on.
    """
    wanted = os.environ.get("GRU2NP_THREADS", "")
    if not wanted:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise InputError(f"GRU2NP_THREADS: expected a number from 1 on, got {wanted!r}")
    return int(wanted)


def parts(rows: int, products: int) -> list[tuple[int, int]]:
    """Where the parts of a batch begin and end, one for each thread.

    Args:
        rows: of the batch.
        products: multiplications for one row.
    """
    most = min(rows * products // WORTH, rows // TILE)
    if most < 2:
        return [(0, rows)]
    count = min(most, thread_count())
    size = -(-rows // count)
    size = -(-size // TILE) * TILE
    return [(first, min(first + size, rows)) for first in range(0, rows, size)]


def run_all(
    function: Callable[[bytes], None],
    calls: Sequence[Sequence[bytes]],
    arrays: Sequence[object],
) -> None:
    """The calls of each part in order, the parts at the same time.

    Args:
        function: what runs a call.
        calls: of each part.
        arrays: whose addresses the calls hold.
    """
    if len(calls) == 1:
        for call in calls[0]:
            function(call)
        return

    def run(part: Sequence[bytes], arrays: Sequence[object]) -> None:
        for call in part:
            function(call)

    import threading

    # A thread keeps the arrays that it writes to: an interrupt ends the wait for it.
    threads = [threading.Thread(target=run, args=(part, arrays)) for part in calls[1:]]
    started = []
    for thread in threads:
        try:
            thread.start()
        except RuntimeError:
            # No more threads are to be had: the part runs here.
            break
        started.append(thread)
    for part in (calls[0], *calls[1 + len(started) :]):
        run(part, arrays)
    for thread in started:
        thread.join()
