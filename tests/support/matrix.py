"""Run the runtime's tests on every installed Python, oldest and newest NumPy each.

The bundles are made once, by the Python that runs this; the others need NumPy and
pytest alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import goldens

# The oldest NumPy that each Python can install.
OLDEST = {
    "3.9": "1.22.0",
    "3.10": "1.22.0",
    "3.11": "1.23.2",
    "3.12": "1.26.0",
    "3.13": "2.1.0",
    "3.14": "2.3.2",
}
BUILD = goldens.ROOT / "build"


def pythons() -> dict[str, str]:
    """Installed Pythons by version: on the path, and those of pyenv."""
    found = {}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in OLDEST:
        managed = sorted(root.glob(f"{version}.*/bin/python"))
        program = str(managed[-1]) if managed else shutil.which(f"python{version}")
        if program:
            found[version] = program
    return found


def make_bundles() -> Path:
    """A bundle of every fixture that this version converts."""
    folder = BUILD / "bundles"
    for golden in goldens.all_goldens():
        if not goldens.refused(golden):
            path = folder / f"{golden.name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(golden.bundle())
    return folder


def environment(program: str, folder: Path, *packages: str | Path) -> Path:
    """The Python of a new virtual environment with packages and what they need."""
    python = folder / "bin" / "python"
    subprocess.run([program, "-m", "venv", "--clear", folder], check=True)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*install, *packages], check=True)
    return python


def run(version: str, program: str, numpy: str, bundles: Path) -> bool:
    """Set up one environment and run the tests in it; whether they passed."""
    folder = BUILD / f"python{version}-{numpy.strip('=<>') or 'newest'}"
    runtime = goldens.ROOT / "runtime"
    python = environment(program, folder, f"numpy{numpy}", "pytest", runtime)
    variables = {**os.environ, "GRU2NP_BUNDLES": str(bundles)}
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/runtime"]
    done = subprocess.run(tests, cwd=goldens.ROOT, env=variables, check=False)
    return done.returncode == 0


def main() -> int:
    """Run them all; 0 if all passed."""
    bundles = make_bundles()
    results = {}
    for version, program in pythons().items():
        for numpy in (f"=={OLDEST[version]}", ""):
            name = f"Python {version}, NumPy {numpy.strip('=') or 'newest'}"
            print(f"── {name}", flush=True)
            results[name] = run(version, program, numpy, bundles)
    for name, passed in results.items():
        print(f"{'passed' if passed else 'FAILED'}  {name}")
    return 0 if results and all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
