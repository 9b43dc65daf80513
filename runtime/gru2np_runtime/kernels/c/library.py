"""Which kernel runs: the compiled library beside this package, or NumPy alone.

``GRU2NP_KERNEL`` is read whenever a model is loaded: ``numpy``, ``c``, or unset, which
is ``c`` where the library loads.
"""

# pathlib would cost a start more than all of this.
# ruff: noqa: PTH100, PTH110, PTH118, PTH119, PTH120, PTH122, PTH123

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    Library = Any

LIBRARY = os.path.join(
    os.path.dirname(os.path.abspath(__file__)),
    "source",
    "libgru2np.dll" if sys.platform == "win32" else "libgru2np.so",
)
# What the library must answer to gru2np_abi; kernel.c has the same number.
ABI = 1
# By name what a function gives, and what it takes.
_FUNCTIONS = {
    "gru2np_abi": ("int", ""),
    "gru2np_level": ("int", ""),
    "gru2np_record": ("long", ""),
    "gru2np_describe": (
        "long",
        "pointer int int int float int float long long",
    ),
    "gru2np_pack": ("", "pointer pointer pointer pointer pointer pointer"),
    "gru2np_workspace": ("long", "pointer long long"),
    "gru2np_run": ("", "pointer pointer"),
    "gru2np_width": ("long", "pointer"),
    "gru2np_stack": ("", "pointer"),
    "gru2np_stack_workspace": ("long", "pointer long long"),
    "gru2np_apply": ("", "int int float pointer long"),
}

# The library once it is loaded, or why it is not; by its path.
_loaded: dict[str, Library | str] = {}
_warned: set[str] = set()


def kernel() -> str:
    """The kernel that a model loaded now runs on: ``c`` or ``numpy``.

    Raises:
        InputError: ``GRU2NP_KERNEL`` is neither.
    """
    return "numpy" if library() is None else "c"


def library() -> Library | None:
    """The compiled library, or None where NumPy is to run.

    Raises:
        InputError: ``GRU2NP_KERNEL`` is neither ``c`` nor ``numpy``.
    """
    wanted = os.environ.get("GRU2NP_KERNEL", "")
    if wanted not in ("", "c", "numpy"):
        raise InputError(f"GRU2NP_KERNEL: expected c or numpy, got {wanted!r}")
    if wanted == "numpy":
        return None
    found = _loaded.get(LIBRARY)
    if found is None:
        found = _loaded[LIBRARY] = open_library(LIBRARY)
    if not isinstance(found, str):
        return found
    # A wheel without the library is as it should be; a broken library is not.
    if (wanted == "c" or os.path.exists(LIBRARY)) and found not in _warned:
        _warned.add(found)
        warnings.warn(
            f"the compiled kernel does not run, NumPy does: {found}",
            RuntimeWarning,
            stacklevel=2,
        )
    return None


def describe() -> str:
    """The kernel in a line for people, with its vectors."""
    found = library()
    if found is None:
        return "kernel: numpy"
    return f"kernel: c, {4 << level(found)} floats at once"


def level(found: Library) -> int:
    """The widest vectors of this machine: 0 for 4 floats, 1 for 8, 2 for 16."""
    return int(found.gru2np_level())


def open_library(path: str) -> Library | str:
    """The library with its functions declared, or what is wrong with it."""
    again = "build it with: python -m gru2np_runtime.build"
    name = os.path.basename(path)
    if not os.path.exists(path):
        return f"there is no {name}; {again}"
    # Imported where there is a library alone.
    import ctypes

    types = {
        "": None,
        "pointer": ctypes.c_void_p,
        "int": ctypes.c_int32,
        "long": ctypes.c_int64,
        "float": ctypes.c_float,
    }
    try:
        # Loading a file that was cut short can end the process.
        if not _is_whole(path):
            return f"{name} is damaged, its checksum is wrong; {again}"
        found = ctypes.CDLL(path)
        for symbol, (result, arguments) in _FUNCTIONS.items():
            function = getattr(found, symbol)
            function.restype = types[result]
            function.argtypes = [types[argument] for argument in arguments.split()]
    except (AttributeError, OSError) as error:
        return f"{name} does not load: {error}; {again}"
    if found.gru2np_abi() != ABI:
        return f"{name}: expected interface {ABI}, got {found.gru2np_abi()}; {again}"
    return found


def _is_whole(path: str) -> bool:
    """Whether size and CRC-32 are those of the file beside the library, if any."""
    beside = os.path.splitext(path)[0] + ".crc"
    if not os.path.exists(beside):
        return True
    import zlib

    with open(path, "rb") as library, open(beside, "rb") as file:
        content = library.read()
        told = f"{len(content)} {zlib.crc32(content):08x}"
        return file.read().strip() == told.encode()
