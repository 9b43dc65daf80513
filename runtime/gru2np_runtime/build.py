"""Build the compiled kernel beside this package: ``python -m gru2np_runtime.build``.

Needs a C compiler, GCC or Clang: ``$CC``, or the first of ``cc``, ``gcc``, ``clang``.
The build hook of the wheel runs this file by its path, before the package or NumPy is
there, so it imports the standard library alone.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels" / "c" / "source"
NAME = "libgru2np.dll" if sys.platform == "win32" else "libgru2np.so"
CHECKSUM = "libgru2np.crc"
# Strict floating point is the default of both compilers, and the kernel needs it.
OPTIONS = ["-O3", "-shared", "-fvisibility=hidden", "-Wno-psabi"]
POSITION_INDEPENDENT = [] if sys.platform == "win32" else ["-fPIC"]
SECONDS = 600


class BuildError(Exception):
    """There is no compiler, or it did not compile; the message says which."""


def compiler() -> list[str]:
    """The command of the compiler, from ``$CC`` or the path.

    Raises:
        BuildError: there is none.
    """
    given = shlex.split(os.environ.get("CC", ""))
    if given:
        return given
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found is not None:
            return [found]
    raise BuildError("no C compiler: install gcc or clang, or name one in CC")


def build(folder: Path) -> list[Path]:
    """Compile the kernel into a folder: the library and its checksum.

    Raises:
        BuildError: there is no compiler, or it did not compile.
    """
    with tempfile.TemporaryDirectory() as made:
        library = Path(made) / NAME
        source = str(FOLDER / "kernel.c")
        command = [*compiler(), *OPTIONS, *POSITION_INDEPENDENT, source]
        command += ["-o", str(library)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"{command[0]} does not run: {error}") from error
        if done.returncode != 0:
            raise BuildError(f"{shlex.join(command)}:\n{done.stderr.strip()}")
        content = library.read_bytes()
        checksum = Path(made) / CHECKSUM
        checksum.write_text(f"{len(content)} {zlib.crc32(content):08x}\n")
        results = []
        for path in (checksum, library):
            # A process that has the old library mapped keeps it.
            part = folder / f"{path.name}.part"
            shutil.copyfile(path, part)
            part.replace(folder / path.name)
            results.append(folder / path.name)
    return results


def main() -> int:
    """Build in place, and say what runs now."""
    try:
        build(FOLDER)
    except (BuildError, OSError) as error:
        print(f"the kernel was not built: {error}", file=sys.stderr)
        return 1
    from gru2np_runtime.kernels.c.library import describe

    print(describe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
