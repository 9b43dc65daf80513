"""Booleans and integers as inputs of layers that compute in floating point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.layers.dtype_rules import AcceptedDtypes
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node


def dtype_problem(
    layer: Layer,
    accepted: AcceptedDtypes | None,
    node: Node,
    dtypes: Mapping[str, str],
    meaning: Meaning,
) -> str | None:
    """Why a layer does not accept the dtypes of its inputs; None if it does.

    Args:
        layer: the layer of the node.
        accepted: the dtypes that it accepts; None for a node that masks need, and for
            a model inside a wrapper, which casts its input and was checked before.
        node: with its inputs, and its mask if it uses one.
        dtypes: of every input and node before it.
        meaning: of the model's Keras.
    """
    inputs = [dtypes[name] for name, _ in node.inputs]
    # Merge layers skip masked positions with Where, in floating point.
    if isinstance(layer, runtime.Where):
        return None if _floats(inputs[1:]) else _reason(node, inputs)
    if accepted is None or _floats(inputs):
        return None
    promoted = meaning.numbers.integer_inputs == "promoted"
    rule = accepted.promoted if promoted else accepted.kept
    masked = node.mask is not None and not accepted.masked
    return None if rule(inputs) and not masked else _reason(node, inputs)


def _floats(dtypes: Sequence[str]) -> bool:
    return all(dtype.startswith("float") for dtype in dtypes)


def _reason(node: Node, dtypes: Sequence[str]) -> str:
    pairs = zip(node.inputs, dtypes, strict=True)
    sources = ", ".join(f"{dtype} from {name!r}" for (name, _), dtype in pairs)
    return (
        f"takes {sources}, for which Keras computes something else than for floating "
        "point numbers, or nothing; cast it to float32 before this layer"
    )
