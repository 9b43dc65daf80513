"""The compiled kernel: its library, the plans that run in it, and its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.kernels.c import library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts, Plan


def recurrent(layer: Layer, weights: Mapping[str, Array], parts: Parts) -> Plan | None:
    """The compiled plan of a recurrent layer; None without the library or a kernel."""
    found = library.library()
    if found is None:
        return None
    # What it imports is for those who have the library.
    from gru2np_runtime.kernels.c.plans import compiled

    return compiled(found, layer, weights)
