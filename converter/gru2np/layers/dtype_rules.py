"""Which whole numbers and booleans a layer takes: the rules that its row may name.

Keras casts floating point inputs to the type of a layer and hands the others on as they
are.  What becomes of them is then the layer's own, and another thing in Keras 3 than
before; so a layer is given them only where Keras was seen to give what the runtime
gives: Keras 3.15, and tf-keras 2.21 for all before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gru2np_runtime.activations import keeps_integers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def _beside_floats(dtypes: Sequence[str]) -> bool:
    return any(dtype.startswith("float") for dtype in dtypes)


def _not_booleans_alone(dtypes: Sequence[str]) -> bool:
    return not _booleans(dtypes)


@dataclass(frozen=True)
class AcceptedDtypes:
    """Which inputs a layer accepts, where one at least is no floating point number.

    Attributes:
        promoted: where ``NumberRules.whole_numbers`` is ``promoted``: in Keras 3.
        kept: where it is ``kept``: in those before.
        masked: also where the layer uses a mask.
    """

    promoted: Rule
    kept: Rule
    masked: bool = True


# Numbers are moved and not computed with; or cast by the layer itself, or by its
# product with the weights.
ANY = AcceptedDtypes(_all, _all)
# The operation checks its inputs itself, and so does a class of the user's own.
UNCHECKED = ANY
FLOATS = AcceptedDtypes(_none, _none)
# As ``ANY``, by Keras 3 alone.
PROMOTED = AcceptedDtypes(_all, _none)
PROMOTED_OR_SIGNED = AcceptedDtypes(_all, _signed)
# Keras 3 computes these in whole numbers, which are cut off.
KEPT = AcceptedDtypes(_none, _all)
NUMBERS = AcceptedDtypes(_numbers, _numbers)
PROMOTED_NUMBERS = AcceptedDtypes(_numbers, _none)
KEPT_NUMBERS = AcceptedDtypes(_none, _numbers)
# Computed with as whole numbers.
MERGED = AcceptedDtypes(_not_booleans_alone, _alike_signed)
JOINED = AcceptedDtypes(_all, _alike)
# Keras counts masked steps in the type of the input, and the mean with them.
AVERAGED = AcceptedDtypes(_all, _booleans, masked=False)
# Whole numbers alone become float64, or stay what they are.
BESIDE_FLOATS = AcceptedDtypes(_beside_floats, _none)
ADDED = AcceptedDtypes(_alike_signed, _none)
# What the layer inside takes.
INSIDE = "inside"

_FUNCTIONS = {
    "exponential": PROMOTED,
    "linear": ANY,
    "relu": NUMBERS,
    "tanh": PROMOTED,
}


def of_function(layer: Any) -> AcceptedDtypes:
    """What a layer of one activation function takes."""
    function = layer.function
    if isinstance(function, str):
        return _FUNCTIONS.get(function, FLOATS)
    if keeps_integers(function):
        return AcceptedDtypes(_signed, _signed)
    leaky = set(function) == {"function", "negative_slope"}
    return NUMBERS if leaky else FLOATS


if TYPE_CHECKING:
    # Or what tells it of the runtime's layer, where options decide; or ``INSIDE``.
    DtypeRule = AcceptedDtypes | Callable[[Any], AcceptedDtypes] | str
