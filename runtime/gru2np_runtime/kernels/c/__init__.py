"""The compiled kernel: the library, its plans, and the C source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.kernels.c import library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts, Plan


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The compiled plan; None without the library or for options that it lacks."""
    loaded = library.library()
    if loaded is None:
        return None
    # plans imports ctypes, which a start without the library does not need.
    from gru2np_runtime.kernels.c.plans import compiled

    return compiled(loaded, layer, weights)
