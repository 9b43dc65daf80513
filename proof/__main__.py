"""``python -m proof``: what is left of the long searches, then the page of them all."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from proof import ROOT, page
from proof.record import Record, state
from proof.running import run
from proof.searches import SEARCHES, not_here, pieces
from proof.worker import ran

# Seconds between two lines that say how far it is.
TOLD = 30


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run what is left; 1 if there are faults, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parser.add_argument("--only", choices=SEARCHES, help="one search")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--piece", help="one piece, again, and nothing is written")
    parser.add_argument(
        "--record", type=Path, default=ROOT / "build" / "proof.jsonl", metavar="FILE"
    )
    parser.add_argument(
        "--page",
        type=Path,
        default=ROOT / "docs" / "reference" / "proof.md",
        metavar="FILE",
    )
    options = parser.parse_args()
    if options.piece:
        result = ran(options.piece)
        print(result["fault"] or f"{result['cases']} cases in {result['seconds']} s")
        return 1 if result["fault"] else 0
    sources = state()
    record = Record(options.record, sources)
    every = [str(piece) for piece in pieces(options.only)]
    left = [piece for piece in every if piece not in record.results]
    say(f"{len(every) - len(left)} of {len(every)} pieces are done")
    for name, why in not_here().items():
        say(f"not run here: models of {name}: {why}")
    told = time.monotonic()
    try:
        for result in run(left, options.jobs, options.minutes * 60):
            record.add(result)
            if result["fault"]:
                say(f"fault: {result['piece']}\n{result['fault']}")
            if time.monotonic() > told + TOLD:
                told = time.monotonic()
                done = sum(piece in record.results for piece in every)
                say(f"{done} of {len(every)} pieces are done")
    except KeyboardInterrupt:
        say("interrupted: started again, it goes on")
        return 130
    options.page.write_text(page.text(record.results, sources), "utf-8")
    say(f"wrote {options.page}")
    return 1 if any(result["fault"] for result in record.results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
