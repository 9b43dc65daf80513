"""Compare two arrays: the largest difference, its index, and whether it is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.layers.spec import HALF
from gru2np.text import difference
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gru2np.ir import Array

    Number = int | float | bool


@dataclass(frozen=True)
class Tolerance:
    """The allowed difference of two arrays: ``atol + rtol * max|y|``, y the expected.

    One bound for the whole array, because an element that cancels to nearly 0 has the
    rounding errors of the numbers it was computed from.
    """

    atol: float
    rtol: float


TOO_FAR = "too far"
# Rounding leaves two sums of the same numbers at most SIMILAR times as far from the
# exact sum as each other; a difference above FAR tolerances is never rounding.
SIMILAR, FAR = 8.0, 100.0
OTHER_SHAPE, OTHER_DTYPE = "another shape", "another dtype"
NOT_FINITE = "infinite or NaN on one side"


@dataclass(frozen=True)
class Float64:
    """The distances of both sides from the same array computed in float64.

    Attributes:
        theirs: largest absolute difference of the reference from float64.
        ours: largest absolute difference of the runtime from float64.
        moved: the largest change of the float64 result when every input and weight is
            changed in its last float32 digit; 0 if that was not computed.
    """

    theirs: float
    ours: float
    moved: float = 0.0

    def is_rounding(self, tolerance: float) -> bool:
        """Whether a difference beyond the tolerance is rounding.

        The float64 result comes from the runtime, so it shares an error in what the
        model means: then the reference is far from it and the runtime is near.  After
        an error of a kernel the runtime is far and the reference is near.  Rounding
        leaves both about equally far, or as far as a change of the last digits moves
        the result, and neither of them very far.
        """
        near, far = sorted((self.theirs, self.ours))
        return far <= SIMILAR * max(near, self.moved) and far <= FAR * tolerance

    def is_amplified(self, tolerance: float) -> bool:
        """Whether the model amplifies last digits too much for a verdict."""
        far = max(self.theirs, self.ours)
        return FAR * tolerance < far <= SIMILAR * self.moved


@dataclass(frozen=True)
class Comparison:
    """One array of the runtime compared with that of the reference.

    Attributes:
        name: of the output or of the node.
        kind: the Keras class of a node; empty for an output.
        shape: of the runtime's array.
        expected_shape: of the reference's.
        dtype: of the runtime's array.
        expected_dtype: of the reference's.
        largest: largest absolute difference; inf if only one side is NaN or infinite,
            NaN if the shapes differ.
        at: its index; None if there is no element to compare.
        value: the runtime's number there.
        expected: the reference's number there.
        relative: largest relative difference, over elements with expected not 0.
        relative_at: its index.
        tolerance: the largest absolute difference that counts as equal.
        reason: why they differ, in a few words; empty if they agree.
        case: name of the case.
        float64: the distances from float64; None if they were not computed.
        rounding: the tolerance is exceeded, but only by rounding, as float64 shows.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    expected_shape: tuple[int, ...]
    dtype: str
    expected_dtype: str
    largest: float
    at: tuple[int, ...] | None
    value: Number | None
    expected: Number | None
    relative: float
    relative_at: tuple[int, ...] | None
    tolerance: float
    reason: str
    case: str = ""
    float64: Float64 | None = None
    rounding: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the two arrays are equal within the tolerance, or up to rounding."""
        return not self.reason

    @property
    def verdict(self) -> str:
        """``agree``, ``rounding`` or ``differ``."""
        if self.reason:
            return "differ"
        return "rounding" if self.rounding else "agree"

    @property
    def why(self) -> str:
        """Why they differ, with the numbers; empty if they agree."""
        if self.reason == OTHER_SHAPE:
            shape, expected = shape_text(self.shape), shape_text(self.expected_shape)
            return f"shape {shape}, expected {expected}"
        if self.reason == OTHER_DTYPE:
            return f"{self.dtype}, expected {self.expected_dtype}"
        if self.reason == TOO_FAR:
            largest, allowed = difference(self.largest), difference(self.tolerance)
            return f"difference {largest}, allowed {allowed}"
        return self.reason

    @property
    def badness(self) -> tuple[bool, float]:
        """A key for sorting: the largest difference relative to the tolerance."""
        if math.isnan(self.largest):
            return not self.agrees, math.inf
        return not self.agrees, self.largest / (self.tolerance or 1.0)

    def judged(self, float64: Float64 | None, *, lenient: bool = True) -> Comparison:
        """This comparison with a verdict by float64: an error, or rounding.

        Args:
            float64: the distances from float64; None if there are none.
            lenient: rounding beyond the tolerance counts as equal.
        """
        if float64 is None:
            return self
        rounding = (
            lenient and self.reason == TOO_FAR and float64.is_rounding(self.tolerance)
        )
        comparison = replace(self, float64=float64)
        return comparison.excused() if rounding else comparison

    @property
    def amplified(self) -> bool:
        """Whether the arrays differ only because the model amplifies rounding."""
        return (
            self.reason == TOO_FAR
            and self.float64 is not None
            and self.float64.is_amplified(self.tolerance)
        )

    def excused(self) -> Comparison:
        """This comparison with its difference counted as rounding."""
        return replace(self, rounding=True, reason="")

    def as_json(self) -> dict[str, Any]:
        """The comparison as ``verify --json`` prints it."""
        return {
            "name": self.name,
            **({"class_name": self.kind} if self.kind else {}),
            "case": self.case,
            "agree": self.agrees,
            "verdict": self.verdict,
            "reason": self.reason,
            "shape": list(self.shape),
            "expected_shape": list(self.expected_shape),
            "dtype": self.dtype,
            "expected_dtype": self.expected_dtype,
            "largest_difference": finite(self.largest),
            "at": None if self.at is None else list(self.at),
            "value": finite(self.value),
            "expected": finite(self.expected),
            "largest_relative_difference": finite(self.relative),
            "relative_at": None if self.relative_at is None else list(self.relative_at),
            "tolerance": finite(self.tolerance),
            "float64": self.float64
            and {
                "expected": finite(self.float64.theirs),
                "value": finite(self.float64.ours),
            },
        }


def finite(number: Number | None) -> Number | str | None:
    """A number for JSON; a string if it is not finite."""
    if isinstance(number, float) and not math.isfinite(number):
        return "nan" if number != number else "inf" if number > 0 else "-inf"
    return number


def compare(
    name: str,
    got: Array,
    expected: Array,
    tolerance: Tolerance,
    *,
    kind: str = "",
    case: str = "",
    expected_dtype: str | None = None,
    same_dtype: bool = True,
) -> Comparison:
    """Compare an array with the expected one.

    Args:
        name: of the output or node.
        got: the runtime's array.
        expected: the reference's array.
        tolerance: its relative part counts for floats only: integers must be equal.
        kind: the Keras class, for a node.
        case: name of the case.
        expected_dtype: the dtype in Keras, if the array was widened.
        same_dtype: whether another dtype counts as a difference; half precision never
            does, since the runtime computes in float32.
    """
    wanted_dtype = expected_dtype or expected.dtype.name
    largest, at, relative, relative_at = math.nan, None, math.nan, None
    allowed, reason = tolerance.atol, ""
    if got.shape != expected.shape:
        reason = OTHER_SHAPE
    else:
        allowed = _allowed(expected, tolerance)
        largest, at, relative, relative_at = _largest(got, expected)
        if largest > allowed:
            reason = NOT_FINITE if largest == math.inf else TOO_FAR
        elif same_dtype and wanted_dtype not in (got.dtype.name, *HALF):
            reason = OTHER_DTYPE
    return Comparison(
        name=name,
        kind=kind,
        shape=got.shape,
        expected_shape=expected.shape,
        dtype=got.dtype.name,
        expected_dtype=wanted_dtype,
        largest=largest,
        at=at,
        value=None if at is None else got[at].item(),
        expected=None if at is None else expected[at].item(),
        relative=relative,
        relative_at=relative_at,
        tolerance=allowed,
        reason=reason,
        case=case,
    )


def refused(
    name: str, expected: Array, reason: str, *, kind: str = "", case: str = ""
) -> Comparison:
    """The comparison of an array whose inputs the runtime refused."""
    empty = np.zeros((0,), expected.dtype)
    pair = compare(name, empty, expected, Tolerance(0.0, 0.0), kind=kind, case=case)
    return replace(pair, reason=f"refused here: {reason}", largest=math.nan, at=None)


def distance(got: Array, expected: Array) -> float:
    """Largest absolute difference; inf if only one side is NaN or infinite."""
    return math.nan if got.shape != expected.shape else _largest(got, expected)[0]


def worst(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The worst comparison of each name, in the order in which names first appear."""
    worst_pairs: dict[str, Comparison] = {}
    for pair in comparisons:
        if (
            pair.name not in worst_pairs
            or pair.badness > worst_pairs[pair.name].badness
        ):
            worst_pairs[pair.name] = pair
    return list(worst_pairs.values())


def _allowed(expected: Array, tolerance: Tolerance) -> float:
    """The bound as a number; infinities in the expected array do not widen it."""
    if expected.dtype.kind != "f":
        return tolerance.atol
    numbers = np.abs(expected[np.isfinite(expected)].astype(np.float64))
    return tolerance.atol + tolerance.rtol * float(numbers.max(initial=0.0))


def _largest(
    got: Array, expected: Array
) -> tuple[float, tuple[int, ...] | None, float, tuple[int, ...] | None]:
    """Largest absolute and relative difference, each with its index."""
    if got.size == 0:
        return 0.0, None, 0.0, None
    # As float64, so that differences of integers do not overflow.
    ours, theirs = got.astype(np.float64), expected.astype(np.float64)
    equal = (got == expected) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        away = np.where(equal, 0.0, np.abs(ours - theirs))
        away[np.isnan(away)] = np.inf
        # Two different int64 may be equal as float64.
        away = np.where(equal | (away > 0), away, 1.0)
        compared = (theirs != 0) & np.isfinite(theirs)
        relative = np.where(compared, away / np.abs(theirs), 0.0)
    return *_peak(away), *_peak(relative)


def _peak(array: Array) -> tuple[float, tuple[int, ...]]:
    index = np.unravel_index(int(np.argmax(array)), array.shape)
    at = tuple(int(i) for i in index)
    return float(array[at]), at
