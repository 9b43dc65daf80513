"""Dispatch: each layer gets the fastest plan that supports its options."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gru2np_runtime.layer import is_custom
from gru2np_runtime.plan import CustomPlan, Plan, child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Parts

    Maker = Callable[[Layer, Mapping[str, Array], Parts], Plan | None]

# Functions that make plans, by op; imported when a model needs them, so that the start
# is fast.  They are tried in order and return None for options they do not support.  A
# layer without an entry runs its forward pass.
COMPILED = "gru2np_runtime.kernels.c:recurrent"
PACKED = "gru2np_runtime.kernels.numpy.recurrence:recurrent"
FAST = {
    **dict.fromkeys(("gru", "lstm", "simple_rnn"), (COMPILED, PACKED)),
    # As fast as the plain plan; these plans can be in a chain.
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
    """The first plan that supports the layer's options.

    Args:
        layer: the layer, with the layers inside it.
        weights: by name; ``child/name`` for those of layers inside.
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
    return (CustomPlan if is_custom(layer) else Plan)(layer, weights)


def _plain(layer: Layer) -> tuple[str, ...]:
    """The plain entry of the layer; a custom class has the entry of its base."""
    for base in type(layer).__mro__:
        op = base.__dict__.get("op")
        if op in PLAIN:
            return (PLAIN[op],)
    return ()
