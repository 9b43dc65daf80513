"""The page of the last result: docs/reference/proof.md."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from gru2np_runtime import __version__
from proof.searches import SEARCHES, Piece, not_here, pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = """# The long searches

Written by `make proof` on {date}; see [CONTRIBUTING](../../CONTRIBUTING.md).
gru2np {version}, sources {state}, on {machine}.
{done:,} of {all:,} pieces are done, {hours:.1f} hours of one processor: {verdict}.

| search | holds | pieces | cases | faults |
|---|---|---|---|---|
"""
FAULTS = """
## Faults

Run one again, with its whole message: `python -m proof --piece NAME`.

"""


def text(results: Mapping[str, dict[str, Any]], state: str) -> str:
    """The page of these results, by the name of their piece."""
    every = pieces()
    done = [results[str(piece)] for piece in every if str(piece) in results]
    faults = [result for result in done if result["fault"]]
    part = "" if len(done) == len(every) else "a part alone, and "
    page = HEAD.format(
        date=datetime.date.today(),
        version=__version__,
        state=state[:12],
        machine=_machine(),
        done=len(done),
        all=len(every),
        hours=sum(result["seconds"] for result in done) / 3600,
        verdict=f"{part}{len(faults) or 'no'} fault{'s' * (len(faults) != 1)}",
    )
    for name, search in SEARCHES.items():
        own = [result for result in done if Piece.parse(result["piece"]).search == name]
        count = sum(piece.search == name for piece in every)
        cells = (
            name,
            search.about,
            f"{len(own):,} of {count:,}" if count else "not run here",
            f"{sum(result['cases'] for result in own):,}",
            sum(result["fault"] is not None for result in own),
        )
        page += f"| {' | '.join(map(str, cells))} |\n"
    if not_here():
        page += "\nOf `masked` and `operations` some is not run here:\n\n"
        page += "".join(f"- {name}: {why}\n" for name, why in not_here().items())
    if faults:
        page += FAULTS
        for result in faults:
            last = result["fault"].strip().splitlines()[-1][:300]
            page += f"- `{result['piece']}`: `{last}`\n"
    return page


def _machine() -> str:
    used = [f"Python {platform.python_version()}"]
    for name in ("numpy", "keras", "tf-keras"):
        try:
            used.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{os.cpu_count()} processors with {', '.join(used)}"
