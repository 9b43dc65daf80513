"""Booleans and whole numbers on their way into layers of floating point numbers.

Keras casts floating point inputs to the type of a layer and hands the others on as they
are.  What becomes of them is then the layer's own, and another thing in Keras 3 than
before; so a layer is given them only where Keras was seen to give what the runtime
gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime import layers as runtime
from gru2np_runtime.activations import keeps_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Node

    # Whether inputs of these dtypes, one of them no floating point type, are taken.
    Rule = Callable[[Sequence[str]], bool]


def _all(dtypes: Sequence[str]) -> bool:
    return True


def _none(dtypes: Sequence[str]) -> bool:
    return False


def _numbers(dtypes: Sequence[str]) -> bool:
    return "bool" not in dtypes


def _signed(dtypes: Sequence[str]) -> bool:
    return all(d in ("int32", "int64") or d.startswith("float") for d in dtypes)


def _booleans(dtypes: Sequence[str]) -> bool:
    return set(dtypes) == {"bool"}


def _alike(dtypes: Sequence[str]) -> bool:
    return len(set(dtypes)) == 1


def _alike_signed(dtypes: Sequence[str]) -> bool:
    return _alike(dtypes) and _signed(dtypes)


def _floats(dtypes: Sequence[str]) -> bool:
    return all(dtype.startswith("float") for dtype in dtypes)


def _beside_floats(dtypes: Sequence[str]) -> bool:
    return any(dtype.startswith("float") for dtype in dtypes)


def _not_booleans_alone(dtypes: Sequence[str]) -> bool:
    return not _booleans(dtypes)


# What layers take in Keras 3.15, and in tf-keras 2.21 for all before; see ``_row``.
# A layer of the runtime that is not here takes floating point numbers alone.
TAKEN: dict[str, tuple[Rule, Rule]] = {
    # Numbers are moved, not computed with.
    **dict.fromkeys(
        (
            *("cropping", "flatten", "identity", "permute", "repeat_vector"),
            *("reshape", "up_sampling", "zero_padding"),
        ),
        (_all, _all),
    ),
    # Cast by the layer itself, or by its product with the weights.
    **dict.fromkeys(
        (
            *("batch_normalization", "dense", "embedding", "integer_lookup"),
            *("rescaling", "resizing", "standardization"),
        ),
        (_all, _all),
    ),
    **dict.fromkeys(
        (
            *("bidirectional", "einsum_dense", "gru", "lstm"),
            *("multi_head_attention", "reversible_embedding", "rnn", "simple_rnn"),
        ),
        (_all, _none),
    ),
    **dict.fromkeys(("category_encoding", "discretization"), (_all, _signed)),
    # Keras 3 computes these in whole numbers, which are cut off.
    **dict.fromkeys(("layer_normalization", "unit_normalization"), (_none, _all)),
    "resizing to factors": (_none, _numbers),
    "masking": (_numbers, _none),
    # Computed with as whole numbers.
    **dict.fromkeys(("global_max_pooling", "max_pooling"), (_numbers, _numbers)),
    **dict.fromkeys(
        ("add", "maximum", "minimum", "multiply", "subtract"),
        (_not_booleans_alone, _alike_signed),
    ),
    "concatenate": (_all, _alike),
    "global_average_pooling": (_all, _booleans),
    # Whole numbers alone become float64, or stay what they are.
    **dict.fromkeys(("attention dot", "average", "dot"), (_beside_floats, _none)),
    "attention additive": (_alike_signed, _none),
    "activation linear": (_all, _all),
    "activation relu": (_numbers, _numbers),
    "activation relu between": (_signed, _signed),
    "activation leaky relu": (_numbers, _numbers),
    **dict.fromkeys(("activation exponential", "activation tanh"), (_all, _none)),
}


def _activation(layer: Any) -> str:
    """The row of an activation."""
    function = layer.function
    if isinstance(function, str):
        return f"activation {function}"
    if keeps_whole(function):
        return "activation relu between"
    if set(function) == {"function", "negative_slope"}:
        return "activation leaky relu"
    return "no row"


# Layers whose options decide about their row.
ROWS: dict[str, Callable[[Any], str]] = {
    "activation": _activation,
    "attention": lambda layer: f"attention {layer.score}",
    "resizing": lambda layer: "resizing to factors" if layer.factors else "resizing",
}


def untaken(
    layer: Layer, node: Node, dtypes: Mapping[str, str], meaning: Meaning
) -> str | None:
    """Why a layer cannot be given these inputs; None where it takes them.

    Args:
        layer: what the node runs.
        node: with its inputs, and its mask if it uses one.
        dtypes: of every input and node before it.
        meaning: of the model's Keras.
    """
    given = [dtypes[name] for name, _ in node.inputs]
    # Where a merge leaves masked numbers out, which are floating point ones.
    if isinstance(layer, runtime.Where):
        return None if _floats(given[1:]) else _reason(node, given)
    # A model inside a wrapper casts its input, and was looked through by itself.
    while layer.op == "time_distributed":
        layer = layer.layers["layer"]
    # Operations say themselves what they take, and users' own layers are their own.
    if _floats(given) or not layer.casts_floats or layer.op not in runtime.FAMILY:
        return None
    row = ROWS[layer.op](layer) if layer.op in ROWS else layer.op
    rules = TAKEN.get(row, (_none, _none))
    rule = rules[0] if meaning.numbers.whole_numbers == "promoted" else rules[1]
    # Keras counts steps in the type of the input, and the mean with it.
    masked_mean = layer.op == "global_average_pooling" and node.mask is not None
    return None if rule(given) and not masked_mean else _reason(node, given)


def _reason(node: Node, given: Sequence[str]) -> str:
    pairs = zip(node.inputs, given, strict=True)
    sources = ", ".join(f"{dtype} from {name!r}" for (name, _), dtype in pairs)
    return (
        f"takes {sources}, of which Keras makes something else than of floating point "
        "numbers, or nothing; cast it to float32 before this layer"
    )
