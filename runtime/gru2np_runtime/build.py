"""Build the compiled kernel in this package: ``python -m gru2np_runtime.build``.

Needs a C compiler, GCC or Clang: ``$CC``, or the first of ``cc``, ``gcc``, ``clang``.
The build hook of the wheel runs this file by its path, before the package and NumPy are
installed, so it imports only the standard library.
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
# The kernel needs strict floating point, which is the default of both compilers.
OPTIONS = ["-O3", "-shared", "-fvisibility=hidden", "-Wno-psabi"]
POSITION_INDEPENDENT = [] if sys.platform == "win32" else ["-fPIC"]
SECONDS = 600


class BuildError(Exception):
    """There is no compiler, or compiling failed; the message says which."""


def compiler() -> list[str]:
    """The compiler command, from ``$CC`` or ``PATH``.

    Raises:
        BuildError: there is none.
    """
    command = shlex.split(os.environ.get("CC", ""))
    if command:
        return command
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise BuildError("no C compiler: install gcc or clang, or name one in CC")


def build(folder: Path) -> list[Path]:
    """Compile the kernel into a folder: the library and its checksum.

    Raises:
        BuildError: there is no compiler, or compiling failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / NAME
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
        checksum = Path(temporary) / CHECKSUM
        checksum.write_text(f"{len(content)} {zlib.crc32(content):08x}\n")
        results = []
        for path in (checksum, library):
            # Replacing the file keeps processes alive that have the old one mapped.
            part = folder / f"{path.name}.part"
            shutil.copyfile(path, part)
            part.replace(folder / path.name)
            results.append(folder / path.name)
    return results


def main() -> int:
    """Build in place, and print which kernel runs now."""
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
