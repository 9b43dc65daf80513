"""Which layers and which cases of a verification tell most along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gru2np.inspection.report import Opened
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case, Evidence, NodeEvidence
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node

    Array = NDArray[Any]

# Layers with a hidden state that is their output.
RECURRENT = frozenset({"gru", "lstm", "simple_rnn", "rnn", "bidirectional"})


def recurrent(evidence: Evidence, own: Opened) -> list[Node]:
    """Recurrent layers in the order they run, those before that differ."""
    wrong = {
        compared.name.removesuffix(" [0]")
        for case in evidence.cases
        for compared in case.layers or ()
        if not compared.agrees
    }
    found = [
        node for node in own.graph.nodes if own.graph.layers[node.layer].op in RECURRENT
    ]
    return sorted(found, key=lambda node: node.name not in wrong)


def telling(
    evidence: Evidence, node: Node, length: Callable[[NodeEvidence], int]
) -> tuple[Case, NodeEvidence] | None:
    """The case that tells most of a node; None where none can be shown.

    Args:
        evidence: all cases.
        node: the node.
        length: gives how many steps its sequences have, 0 where they cannot be shown.
    """
    kept = [
        (case, seen)
        for case in evidence.cases
        for seen in case.nodes
        if seen.name == node.name and length(seen)
    ]
    if not kept:
        return None
    return max(
        kept,
        key=lambda own: weight(comparison(own[0], node.name), length(own[1])),
    )


def weight(compared: Comparison | None, steps: int) -> tuple[bool, float, int]:
    """How much a case tells: one that differs most, else one of long sequences."""
    if compared is None or compared.agrees:
        return False, 0.0, steps
    return *compared.badness, steps


def comparison(case: Case, node: str) -> Comparison | None:
    """That of a node's first output."""
    names = (node, f"{node} [0]")
    return next((own for own in case.layers or () if own.name in names), None)


def by_steps(layer: Layer) -> Callable[[NodeEvidence], int]:
    """What gives the length of a layer's outputs, 0 where they are no sequences."""
    half = layer.layers.get("forward_layer", layer)
    steps = getattr(half, "return_sequences", False)
    # Time in front, or two outputs instead of one, would be another picture.
    plain = not getattr(half, "time_major", False)
    merged = getattr(layer, "merge_mode", "concat") != "none"

    def length(seen: NodeEvidence) -> int:
        fits = steps and plain and merged and are_steps(seen.ours[0], seen.theirs[0])
        return seen.theirs[0].shape[1] if fits else 0

    return length


def are_steps(ours: Array, theirs: Array) -> bool:
    """Whether two arrays have steps on axis 1 to lay over each other."""
    fits = ours.shape == theirs.shape and ours.ndim > 2 and ours.dtype.kind == "f"
    return fits and ours.size > 0 and ours.shape[1] > 1
