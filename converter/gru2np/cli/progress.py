"""A progress bar on standard error, with rate and remaining time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from types import TracebackType

# The rate is the average over this time, so that it follows a busy machine smoothly.
SECONDS = 10.0


class Bar:
    """A bar, called with the numbers of finished and of all rows.

    Args:
        shown: whether to draw it.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None
        self._rate = Rate()

    def __enter__(self) -> Bar:
        return self

    def __call__(self, done: int, rows: int) -> None:
        """Update the bar; for a single batch there is none."""
        self._rate.add(time.monotonic(), done)
        if self._bar is None:
            if done >= rows or not self._shown:
                return
            bar: Any = click.progressbar(
                length=rows,
                label="predict",
                file=sys.stderr,
                show_eta=False,
                show_percent=True,
                item_show_func=lambda left: self._rate.text(left or 0),
            )
            self._bar = bar.__enter__()
        self._bar.update(done - self._bar.pos, rows - done)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)


class Rate:
    """Rows per second over the last seconds."""

    def __init__(self) -> None:
        self._moments: list[tuple[float, int]] = []

    def add(self, now: float, done: int) -> None:
        """Record the number of finished rows at a time in seconds."""
        self._moments.append((now, done))
        while len(self._moments) > 2 and now - self._moments[1][0] > SECONDS:
            del self._moments[0]

    def per_second(self) -> float:
        """The rate; 0 after a single call of ``add``."""
        (start, first), (end, last) = self._moments[0], self._moments[-1]
        return (last - first) / (end - start) if end > start else 0.0

    def text(self, left: int) -> str:
        """Rate and time for the remaining rows: ``12,345 rows/s, 0:01:02 left``."""
        rate = self.per_second()
        if rate <= 0:
            return ""
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        if not left:
            return f"{speed} rows/s"
        seconds = int(left / rate)
        hours, minutes = divmod(seconds // 60, 60)
        return f"{speed} rows/s, {hours}:{minutes:02}:{seconds % 60:02} left"
