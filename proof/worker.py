"""Runs the pieces named on its standard input, one after the other."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
import traceback
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# A piece that takes so long hangs; the process then says where, and ends.
MOST_SECONDS = 1800


def ran(text: str) -> dict[str, Any]:
    """The cases and seconds of a piece, and its fault or None."""
    from proof.searches import Piece

    began, cases, fault = time.perf_counter(), 0, None
    try:
        cases = Piece.parse(text).run()
    except Exception:
        fault = traceback.format_exc()[-4000:]
    seconds = round(time.perf_counter() - began, 2)
    return {"piece": text, "cases": cases, "seconds": seconds, "fault": fault}


def main() -> None:
    """Answer each line with a line of JSON; what else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        print(json.dumps(ran(line.strip())), file=answers, flush=True)
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
