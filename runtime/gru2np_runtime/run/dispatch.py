"""Which plan each layer gets: the fastest that takes its options."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gru2np_runtime.plan import Plan, child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts

    Maker = Callable[[Layer, Mapping[str, Array], Parts], Plan | None]

# Where the makers of plans are, by op: imported when a model needs them, so that a
# start pays for nothing else.  Kernels come first, and return None for options that
# are not their own; a layer of no row runs its forward pass.
COMPILED = "gru2np_runtime.kernels.c:recurrent"
PACKED = "gru2np_runtime.kernels.numpy.recurrence:recurrent"
FAST = {
    **dict.fromkeys(("gru", "lstm", "simple_rnn"), (COMPILED, PACKED)),
    # As fast as their forward pass, which chains of the kernels leave out.
    "dense": ("gru2np_runtime.kernels.plain.pointwise:dense",),
    "identity": ("gru2np_runtime.kernels.plain.pointwise:identity",),
}
PLAIN = {
    **dict.fromkeys(
        ("gru", "lstm", "rnn", "simple_rnn"),
        "gru2np_runtime.kernels.plain.recurrent:recurrent",
    ),
    "bidirectional": "gru2np_runtime.kernels.plain.wrappers:bidirectional",
    "conv": "gru2np_runtime.kernels.plain.convolutional:causal",
    "conv_lstm": "gru2np_runtime.kernels.plain.convolutional_recurrent:conv_lstm",
    "graph": "gru2np_runtime.run.execution:graph",
    "time_distributed": "gru2np_runtime.kernels.plain.wrappers:time_distributed",
}


def make_plan(layer: Layer, weights: Mapping[str, Array], *, fast: bool = True) -> Plan:
    """The first plan that takes the layer with its options.

    Args:
        layer: with the layers inside it.
        weights: by name, those of layers inside below their names.
        fast: whether faster kernels than the plain equations may run.
    """
    parts = {
        name: make_plan(inner, child(weights, name), fast=fast)
        for name, inner in layer.layers.items()
    }
    for maker in (*(FAST.get(layer.op, ()) if fast else ()), *_plain(layer)):
        module, _, name = maker.partition(":")
        make: Maker = getattr(import_module(module), name)
        plan = make(layer, weights, parts)
        if plan is not None:
            return plan
    return Plan(layer, weights)


def _plain(layer: Layer) -> tuple[str, ...]:
    """The plain maker of the layer; a user's own class runs as the one it builds on."""
    for base in type(layer).__mro__:
        op = base.__dict__.get("op")
        if op in PLAIN:
            return (PLAIN[op],)
    return ()
