"""Install what is compared; one that does not install stops nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def install(*what: str) -> bool:
    """Whether pip installed it."""
    command = [sys.executable, "-m", "pip", "install", "-qq", *what]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    """All together, or else each by itself; NumPy at least."""
    print("installing the runtimes, about 3 GB", file=sys.stderr)
    if install("numpy", "-r", str(REQUIREMENTS)):
        return 0
    for line in REQUIREMENTS.read_text("utf-8").splitlines():
        if line and not line.startswith("#") and not install(line):
            print(f"missing: {line} does not install here", file=sys.stderr)
    return 0 if install("numpy") else 1


if __name__ == "__main__":
    sys.exit(main())
