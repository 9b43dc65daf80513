"""A progress bar whose length is known only once the first batch is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from types import TracebackType


class Bar:
    """Called with rows done and rows in all; draws on standard error.

    Args:
        shown: whether anybody is looking.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __call__(self, done: int, rows: int) -> None:
        """Move on; a single batch needs no bar."""
        if self._bar is None:
            if done >= rows or not self._shown:
                return
            bar = click.progressbar(length=rows, label="predict", file=sys.stderr)
            self._bar = bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
