"""Fuse layers: consecutive recurrent and Dense layers run as one chain in one kernel.

The pass reads a graph and the plans of its layers.  A plan states which kernel fuses it
(``Plan.kernel``) and which plans a chain runs for it (``Plan.fused``).  The pass finds
consecutive layers; the kernel packs them into a ``Chain``, or returns None.

How weights are stored is the kernel's matter: the pass compares only the dtypes that
layers compute in.
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

    # Packs layers of one dtype into a chain; None if it cannot run one of them.
    Packer = Callable[[Sequence[Link], str], Chain | None]

# Functions that make chains, by kernel; imported when a model has one.
PACKERS = {
    "c": "gru2np_runtime.kernels.c.chain:chain",
    "numpy": "gru2np_runtime.kernels.numpy.chain:chain",
}
# Kernels whose chains run whole sequences: ``predict`` uses these chains.
SEQUENCES = frozenset({"c"})
# Kernels whose chain of one layer runs a single step faster than the layer's plan.
SINGLE = frozenset({"numpy"})


def fuse(graph: Graph, plans: Mapping[str, Plan]) -> Chain | None:
    """The whole graph as one chain; None if it is not one.

    In a chain every node reads the one before and no mask, one input is read, one
    output returned, and at least one plan belongs to a kernel.

    Args:
        graph: the graph.
        plans: of its layers, by path.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    port = graph.inputs[0]
    links: list[Link] = []
    before = (port.name, 0)
    for node in graph.nodes:
        plan = plans[node.layer]
        fused = plan.fused()
        # Every layer casts to its dtype, Identity too.
        casts = plan.layer.dtype != port.dtype
        if node.inputs != (before,) or node.mask is not None or casts or fused is None:
            return None
        for inner in fused:
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
    """The graph as a chain that runs whole sequences; None if there is none."""
    if not any(plan.kernel in SEQUENCES for plan in plans.values()):
        return None
    return fuse(graph, plans)


def fuse_single(nodes: Sequence[Node], plans: Mapping[str, Plan]) -> dict[str, Chain]:
    """Chains of one layer, by node, for a graph that is not one chain.

    Args:
        nodes: the nodes with a state.
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
