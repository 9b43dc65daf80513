"""Which kernel runs: the compiled library in ``source/``, or NumPy.

``GRU2NP_KERNEL`` is read each time a model is loaded: ``numpy``, ``c``, or unset, which
means ``c`` if the library loads.
"""

# Importing pathlib would take longer than everything here.
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
# What gru2np_abi must return; the same number as in kernel.c.
ABI = 2
# Result and arguments of each function, by name.
_FUNCTIONS = {
    "gru2np_abi": ("int", ""),
    "gru2np_level": ("int", ""),
    "gru2np_record": ("long", ""),
    "gru2np_describe": (
        "long",
        "pointer int int int float int float long long int int",
    ),
    "gru2np_stores": ("int", "int int"),
    "gru2np_pack": ("", "pointer pointer pointer pointer"),
    "gru2np_workspace": ("long", "pointer long long"),
    "gru2np_run": ("", "pointer pointer"),
    "gru2np_width": ("long", "pointer"),
    "gru2np_chain": ("", "pointer"),
    "gru2np_sessions": ("", "pointer"),
    "gru2np_chain_workspace": ("long", "pointer long long"),
    "gru2np_apply": ("", "int int float pointer long"),
}

# The loaded library, or the reason why it does not load; by path.
_loaded: dict[str, Library | str] = {}
_warned: set[str] = set()


def kernel() -> str:
    """The kernel that a model loaded now would run on: ``c`` or ``numpy``.

    Raises:
        InputError: ``GRU2NP_KERNEL`` is neither.
    """
    return "numpy" if library() is None else "c"


def library() -> Library | None:
    """The compiled library; None if NumPy runs instead.

    Raises:
        InputError: ``GRU2NP_KERNEL`` is neither ``c`` nor ``numpy``.
    """
    wanted = _wanted()
    if wanted == "numpy":
        return None
    reason = _found()
    if not isinstance(reason, str):
        return reason
    # A wheel without the library is normal, a broken library is not.
    if (wanted == "c" or os.path.exists(LIBRARY)) and reason not in _warned:
        _warned.add(reason)
        warnings.warn(
            f"the compiled kernel does not run, NumPy does: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    return None


def _wanted() -> str:
    wanted = os.environ.get("GRU2NP_KERNEL", "")
    if wanted not in ("", "c", "numpy"):
        raise InputError(f"GRU2NP_KERNEL: expected c or numpy, got {wanted!r}")
    return wanted


def _found() -> Library | str:
    """The compiled library, or the reason why it does not load."""
    loaded = _loaded.get(LIBRARY)
    if loaded is None:
        loaded = _loaded[LIBRARY] = open_library(LIBRARY)
    return loaded


def missing() -> str:
    """Why NumPy runs, where nobody asked for it and no warning says it; else empty."""
    if _wanted() == "numpy":
        return ""
    reason = _found()
    return reason if isinstance(reason, str) and reason not in _warned else ""


def status() -> str:
    """``describe``, and the reason if the compiled kernel does not run, to print."""
    try:
        reason = "GRU2NP_KERNEL says so" if _wanted() == "numpy" else _found()
    except InputError as error:
        return f"kernel: none: {error}"
    return f"kernel: numpy: {reason}" if isinstance(reason, str) else describe()


def describe() -> str:
    """One line with the kernel and the size of its vectors, to print."""
    loaded = library()
    if loaded is None:
        return "kernel: numpy"
    return f"kernel: c, {4 << level(loaded)} floats at once"


def level(library: Library) -> int:
    """The widest vectors of this machine: 0 for 4 floats, 1 for 8, 2 for 16."""
    return int(library.gru2np_level())


def open_library(path: str) -> Library | str:
    """The library with its functions declared, or the reason why it does not load."""
    advice = "build it with: python -m gru2np_runtime.build"
    name = os.path.basename(path)
    if not os.path.exists(path):
        return f"there is no {name}; {advice}"
    # Imported only if there is a library.
    import ctypes

    types = {
        "": None,
        "pointer": ctypes.c_void_p,
        "int": ctypes.c_int32,
        "long": ctypes.c_int64,
        "float": ctypes.c_float,
    }
    try:
        # Loading a truncated file can crash the process.
        if not _is_whole(path):
            return f"{name} is damaged, its checksum is wrong; {advice}"
        library = ctypes.CDLL(path)
        for symbol, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, symbol)
            function.restype = types[result]
            function.argtypes = [types[argument] for argument in arguments.split()]
    except (AttributeError, OSError) as error:
        return f"{name} does not load: {error}; {advice}"
    abi = library.gru2np_abi()
    if abi != ABI:
        return f"{name}: expected interface {ABI}, got {abi}; {advice}"
    return library


def _is_whole(path: str) -> bool:
    """Whether size and CRC-32 are those in the ``.crc`` file, if there is one."""
    checksum = os.path.splitext(path)[0] + ".crc"
    if not os.path.exists(checksum):
        return True
    import zlib

    with open(path, "rb") as library, open(checksum, "rb") as file:
        content = library.read()
        expected = f"{len(content)} {zlib.crc32(content):08x}"
        return file.read().strip() == expected.encode()
