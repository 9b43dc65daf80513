"""Layers that carry states: what they mean at masked steps and between calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.errors import Problem
from gru2np.layers.recurrent import written_out

if TYPE_CHECKING:
    from gru2np.graph.assembly import Builder
    from gru2np_runtime import Layer


def settled(builder: Builder, path: str, with_states: bool) -> Layer:
    """A layer with its rule for masked steps written out, and what is to be said of it.

    Args:
        builder: of the graph; takes problems and notes.
        path: of the layer.
        with_states: it is given initial states.
    """
    meaning = builder.meaning
    layer = written_out(builder.layers[path], path in builder.masked, with_states)
    stateful = bool(getattr(layer, "stateful", False))
    if stateful and with_states and meaning.recurrent.stateful_keeps_over_initial:
        reason = (
            "tf.keras uses the initial states of a stateful layer on some calls "
            "and not on others, which is not supported"
        )
        builder.problems.append(Problem(path, layer.op, reason, "stateful", True))
    return layer
