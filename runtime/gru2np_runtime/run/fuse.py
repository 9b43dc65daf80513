"""Fuse layers: a chain of recurrent and Dense layers runs as one, in one kernel.

The pass looks at a graph and the plans of its layers.  A plan says which kernel fuses
it (``Plan.kernel``) and what is left to run of its layer in a chain (``Plan.fused``);
the pass finds the layers that stand one after the other; the kernel packs them, or
says no, and gives a ``Chain``.

Where what may come next has its place:

- Weights of another dtype (float16, int8 panels): the kernel's packing alone looks at
  the dtype of weights.  The pass compares only the dtypes that layers compute in.
- Some rows of a large state: a parameter of ``Stepper.step``.  A stepper holds all rows
  of a state side by side, and nobody else knows how they lie.
- Outputs written where the caller wants them: a parameter of ``Stepper.step`` and of
  ``Chain.run``, the only two that make an array for an output.
- Blocks of steps with carried state: a method of ``Stepper`` beside ``step``; it owns
  the states that ``Chain.run`` begins with zeros.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gru2np_runtime.layer import CARRIED
from gru2np_runtime.plan import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.graph import Graph, Node
    from gru2np_runtime.plan import Chain, Plan

    # Packs layers that compute in a dtype, by its name; None where one is not its own.
    Packer = Callable[[Sequence[Link], str], Chain | None]

# Where chains are made, by kernel; imported when a model has one.
PACKERS = {
    "c": "gru2np_runtime.kernels.c.chain:chain",
    "numpy": "gru2np_runtime.kernels.numpy.chain:chain",
}
# Kernels whose chains run whole sequences, so that ``predict`` needs them.
SEQUENCES = frozenset({"c"})
# Kernels that step a single layer of another graph faster than its plan does.
SINGLE = frozenset({"numpy"})


def fuse(graph: Graph, plans: Mapping[str, Plan]) -> Chain | None:
    """The whole graph as one chain; None where it is anything else.

    Args:
        graph: one input, one output, and every node reads the one before, no mask.
        plans: of its layers, by path; at least one of them a kernel's.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    port = graph.inputs[0]
    links: list[Link] = []
    before = (port.name, 0)
    for node in graph.nodes:
        plan = plans[node.layer]
        own = plan.fused()
        # Every layer casts, those too that do nothing else.
        casts = plan.layer.dtype != port.dtype
        if node.inputs != (before,) or node.mask is not None or casts or own is None:
            return None
        for inner in own:
            backwards = inner.kernel and inner.layer.over_time() != CARRIED
            if backwards or inner.layer.dtype != port.dtype:
                return None
            links.append(Link(node.name, inner))
        before = (node.name, 0)
    if graph.outputs[0].source != before:
        return None
    kernels = {link.plan.kernel for link in links} - {""}
    return _packed(kernels.pop(), links, port.dtype) if len(kernels) == 1 else None


def fuse_sequences(graph: Graph, plans: Mapping[str, Plan]) -> Chain | None:
    """The graph as a chain that runs whole sequences; None where none does."""
    if not any(plan.kernel in SEQUENCES for plan in plans.values()):
        return None
    return fuse(graph, plans)


def fuse_single(nodes: Sequence[Node], plans: Mapping[str, Plan]) -> dict[str, Chain]:
    """Chains of one layer, by node, for a graph that is no chain.

    Args:
        nodes: those that carry a state.
        plans: of the layers, by path.
    """
    chains: dict[str, Chain] = {}
    for node in nodes:
        plan = plans[node.layer]
        if plan.kernel not in SINGLE or node.mask is not None:
            continue
        if getattr(plan.layer, "return_state", False):
            continue
        chain = _packed(plan.kernel, [Link(node.name, plan)], plan.layer.dtype)
        if chain is not None:
            chains[node.name] = chain
    return chains


def _packed(kernel: str, links: Sequence[Link], dtype: str) -> Chain | None:
    module, _, name = PACKERS[kernel].partition(":")
    pack: Packer = getattr(import_module(module), name)
    return pack(links, dtype)
