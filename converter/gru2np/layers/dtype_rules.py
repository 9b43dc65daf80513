"""The dtype rules that a layer's row may name: the integers and booleans it accepts.

Keras casts floating point inputs to the dtype of a layer, and passes all others on.
Each layer treats them in its own way, which differs between Keras 3 and older releases.
So a layer accepts them only where Keras and the runtime gave the same outputs: Keras
3.15, and tf-keras 2.21 for all older releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gru2np_runtime.activations import keeps_integers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Whether inputs of these dtypes, not all of them floating point, are accepted.
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


def _single(dtypes: Sequence[str]) -> bool:
    return len(dtypes) == 1


def _not_booleans_alone(dtypes: Sequence[str]) -> bool:
    return not _booleans(dtypes)


@dataclass(frozen=True)
class AcceptedDtypes:
    """The inputs that a layer accepts, if not all of them are floating point.

    Attributes:
        promoted: if ``NumberRules.integer_inputs`` is ``promoted``: in Keras 3.
        kept: if it is ``kept``: in older releases.
        masked: also if the layer uses a mask.
    """

    promoted: Rule
    kept: Rule
    masked: bool = True


# Inputs are moved without arithmetic, or cast by the layer or by its product with the
# weights.
ANY = AcceptedDtypes(_all, _all)
# Operations and custom classes check their inputs themselves.
UNCHECKED = ANY
FLOATS = AcceptedDtypes(_none, _none)
# As ``ANY``, in Keras 3 only.
PROMOTED = AcceptedDtypes(_all, _none)
PROMOTED_OR_SIGNED = AcceptedDtypes(_all, _signed)
# Keras 3 computes these in integers, truncated.
KEPT = AcceptedDtypes(_none, _all)
NUMBERS = AcceptedDtypes(_numbers, _numbers)
PROMOTED_NUMBERS = AcceptedDtypes(_numbers, _none)
KEPT_NUMBERS = AcceptedDtypes(_none, _numbers)
# Computed in integers.
MERGED = AcceptedDtypes(_not_booleans_alone, _alike_signed)
JOINED = AcceptedDtypes(_all, _alike)
# With a mask, Keras counts the steps and computes the mean in the dtype of the input.
AVERAGED = AcceptedDtypes(_all, _booleans, masked=False)
# If all inputs are integers, the output is float64, or integers.
BESIDE_FLOATS = AcceptedDtypes(_beside_floats, _none)
ADDED = AcceptedDtypes(_alike_signed, _none)
# Ids, but not vectors beside them.
IDS = AcceptedDtypes(_single, _none)
# The rule of the inner layer.
INSIDE = "inside"

_FUNCTIONS = {
    "exponential": PROMOTED,
    "linear": ANY,
    "relu": NUMBERS,
    "tanh": PROMOTED,
}


def of_function(layer: Any) -> AcceptedDtypes:
    """The rule of a layer that is one activation function."""
    function = layer.function
    if isinstance(function, str):
        return _FUNCTIONS.get(function, FLOATS)
    if keeps_integers(function):
        return AcceptedDtypes(_signed, _signed)
    leaky = set(function) == {"function", "negative_slope"}
    return NUMBERS if leaky else FLOATS


if TYPE_CHECKING:
    # Or a function of the runtime's layer, if options decide; or ``INSIDE``.
    DtypeRule = AcceptedDtypes | Callable[[Any], AcceptedDtypes] | str
