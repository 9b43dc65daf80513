"""Booleans and whole numbers on their way into layers of floating point numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.layers.dtype_rules import Taken
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node


def untaken(
    layer: Layer,
    taken: Taken | None,
    node: Node,
    dtypes: Mapping[str, str],
    meaning: Meaning,
) -> str | None:
    """Why a layer cannot be given these inputs; None where it takes them.

    Args:
        layer: what the node runs.
        taken: what it takes; None of a node that is not the model's own, and of a
            model inside a wrapper, which casts its input and was looked through by
            itself.
        node: with its inputs, and its mask if it uses one.
        dtypes: of every input and node before it.
        meaning: of the model's Keras.
    """
    given = [dtypes[name] for name, _ in node.inputs]
    # Where a merge leaves masked numbers out, which are floating point ones.
    if isinstance(layer, runtime.Where):
        return None if _floats(given[1:]) else _reason(node, given)
    if taken is None or _floats(given):
        return None
    promoted = meaning.numbers.whole_numbers == "promoted"
    rule = taken.promoted if promoted else taken.kept
    masked = node.mask is not None and not taken.masked
    return None if rule(given) and not masked else _reason(node, given)


def _floats(dtypes: Sequence[str]) -> bool:
    return all(dtype.startswith("float") for dtype in dtypes)


def _reason(node: Node, given: Sequence[str]) -> str:
    pairs = zip(node.inputs, given, strict=True)
    sources = ", ".join(f"{dtype} from {name!r}" for (name, _), dtype in pairs)
    return (
        f"takes {sources}, of which Keras makes something else than of floating point "
        "numbers, or nothing; cast it to float32 before this layer"
    )
