"""Progress on standard error: a bar of rows, or a line that says what is done now."""

from __future__ import annotations

import shutil
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
        return f"{speed} rows/s, {_clock(left / rate)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Status:
    """One line that says what is done now, since when, and how long it takes yet.

    Args:
        command: the first word of the line.
        shown: whether to draw it.
    """

    def __init__(self, command: str, *, shown: bool) -> None:
        self._command = command
        self._shown = shown
        self._text = ""
        self._since = 0.0
        self._done = 0
        self._width = 0

    def __enter__(self) -> Status:
        return self

    def __call__(self, text: str, done: int = 0, total: int = 0) -> None:
        """Draw the line again.

        Args:
            text: what is done now.
            done: the number of steps that are done.
            total: the number of all steps; 0 if unknown.
        """
        if not self._shown:
            return
        # Steps follow each other; what has none is timed by itself.
        if done < self._done or (not done and text != self._text):
            self._since = time.monotonic()
        self._text, self._done = text, done
        passed = time.monotonic() - self._since
        more = f", {_clock(passed)}" if passed >= 1 else ""
        if total:
            left = _clock(passed / done * (total - done)) if done else ""
            more = f" ({done + 1} of {total})" + f", {left} left" * bool(done)
        self._draw(f"{self._command}: {text}{more}")

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._width:
            self._draw("")

    def _draw(self, line: str) -> None:
        # A line that wraps could not be taken away.
        line = line[: shutil.get_terminal_size().columns - 1]
        # Spaces, since a dumb terminal has no code that clears a line.
        sys.stderr.write(f"\r{line.ljust(self._width)}{'' if line else chr(13)}")
        sys.stderr.flush()
        self._width = len(line)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
