"""Sessions of a terminal that a page shows: run them, compare what is printed.

What is printed may differ where machines do: times by anything, differences (``1e-7``)
by what rounding does, sizes by half, other fractions by a little.  ``...`` stands for
anything.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
TIMES = {"s", "ms", "µs"}
SIZES = {"kB", "MB", "bytes", "files"}


def in_shell(command, folder):
    """What a command prints, both streams together."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]]),
        "COLUMNS": "88",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )
    return done.stdout.strip()


def unlike(expected, printed):
    """What the page shows and was not printed; None if nothing."""
    there = printed.splitlines()
    chunks = re.split(r"^\s*\.\.\.\s*$", expected, flags=re.MULTILINE)
    for number, chunk in enumerate(chunks):
        wanted = chunk.strip("\n").splitlines()
        first, last = number == 0, number == len(chunks) - 1
        room = len(there) - len(wanted)
        starts = range(room + 1) if room >= 0 else range(0)
        if first and last and room:
            starts = range(0)
        elif first:
            starts = starts[:1]
        elif last:
            starts = starts[-1:]
        for start in starts:
            if all(map(alike, wanted, there[start : start + len(wanted)])):
                there = there[start + len(wanted) :]
                break
        else:
            return chunk
    return None


def alike(expected, printed):
    """Whether two lines say the same, but for what differs between machines."""
    if expected == printed:
        return True
    expected, printed = map(tidy, (expected, printed))
    bones = re.escape(NUMBER.sub("#", expected)).replace(r"\.\.\.", ".*")
    if not re.fullmatch(bones, NUMBER.sub("#", printed)):
        return False
    # Where the largest difference is, another machine has another place and values.
    if "..." in expected or "[at]" in expected:
        return True
    pairs = zip(NUMBER.finditer(expected), NUMBER.finditer(printed), strict=True)
    return all(near(a[0], b[0], expected[a.end() :]) for a, b in pairs)


def tidy(line):
    """Without the width of columns, versions, and indexes."""
    line = re.sub(r"\d+(\.\d+){2,}", "version", line)
    line = re.sub(r"\[\d+(, \d+)*\]", "[at]", line)
    return re.sub(r"([─-])\1+", r"\1", " ".join(line.split()))


def near(expected, printed, after):
    """Whether two numbers agree, by what they are."""
    unit = re.match(r" ?([^\W\d]+|%)?", after)[1]
    if expected == printed or unit in TIMES:
        return True
    a, b = (float(text.replace(",", "")) for text in (expected, printed))
    if "e-" in expected + printed:
        return 0 <= b <= max(100 * a, 1e-6)
    if unit in SIZES:
        return a / 1.5 <= b <= a * 1.5
    if "." in expected + printed or unit == "%":
        return abs(a - b) <= 0.02 + 0.05 * abs(a)
    return a == b
