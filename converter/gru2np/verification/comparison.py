"""Two arrays side by side: how far they are apart, where, and whether that is right."""

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
    """How far two arrays may be apart: ``atol + rtol * max|y|``, y the expected one.

    One bound for the whole array: an element that cancels to nearly nothing carries
    the rounding errors of the numbers it was made from.
    """

    atol: float
    rtol: float


TOO_FAR = "too far"
# Two sums of the same numbers in another order are this many times as far from the
# exact sum as each other, at most, and a hundred tolerances is no rounding any more.
SIMILAR, FAR = 8.0, 100.0
OTHER_SHAPE, OTHER_DTYPE = "another shape", "another dtype"
NOT_FINITE = "infinite or NaN on one side"


@dataclass(frozen=True)
class Float64:
    """How far both sides are from the same computed in float64, as a third party.

    Attributes:
        theirs: largest absolute difference of the reference from float64.
        ours: largest absolute difference of the runtime from float64.
        moved: how far float64 itself moves at most where each number that goes in, and
            each weight, is changed in its last digit of float32; 0 where it was not
            asked.
    """

    theirs: float
    ours: float
    moved: float = 0.0

    def is_rounding(self, tolerance: float) -> bool:
        """Whether a difference beyond the tolerance is no more than rounding.

        Float64 is the runtime's own, so an error in what a model means would be in it
        too: it would leave the reference far and the runtime near.  An error in how
        the runtime computes would leave the runtime far and the reference near.
        Rounding alone leaves both about as far, or as far as the last digit of the
        inputs moves the result, and neither of them far.
        """
        near, far = sorted((self.theirs, self.ours))
        return far <= SIMILAR * max(near, self.moved) and far <= FAR * tolerance

    def is_amplified(self, tolerance: float) -> bool:
        """Whether the model makes so much of a last digit that nothing can be said."""
        far = max(self.theirs, self.ours)
        return FAR * tolerance < far <= SIMILAR * self.moved


@dataclass(frozen=True)
class Comparison:
    """One array of the runtime compared with the same one of the reference.

    Attributes:
        name: of the output or of the node.
        kind: the Keras class of a node; empty for an output.
        shape: of the runtime's array.
        expected_shape: of the reference's.
        dtype: of the runtime's array.
        expected_dtype: of the reference's.
        largest: largest absolute difference; inf where NaN or an infinity stands on
            one side only, NaN where the shapes differ.
        at: its index, None where there is no element to compare.
        value: the runtime's number there.
        expected: the reference's number there.
        relative: largest relative difference, over elements whose expected is not 0.
        relative_at: its index.
        tolerance: the largest absolute difference that counts as equal.
        reason: why they differ, in a few words; empty where they agree.
        case: name of the case.
        float64: the third party; None where it was not asked.
        rounding: the tolerance is exceeded, but float64 shows that by rounding alone.
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
        """Whether the two arrays are equal within the tolerance, rounding apart."""
        return not self.reason

    @property
    def verdict(self) -> str:
        """``agree``, ``rounding`` or ``differ``."""
        if self.reason:
            return "differ"
        return "rounding" if self.rounding else "agree"

    @property
    def why(self) -> str:
        """Why they differ, for people, with the numbers; empty where they agree."""
        if self.reason == OTHER_SHAPE:
            shape, expected = shape_text(self.shape), shape_text(self.expected_shape)
            return f"shape {shape}, expected {expected}"
        if self.reason == OTHER_DTYPE:
            return f"{self.dtype}, expected {self.expected_dtype}"
        if self.reason == TOO_FAR:
            return f"{difference(self.largest)} is beyond {difference(self.tolerance)}"
        return self.reason

    @property
    def badness(self) -> tuple[bool, float]:
        """How far from equal, measured by the tolerance, for finding the worst."""
        if math.isnan(self.largest):
            return not self.agrees, math.inf
        return not self.agrees, self.largest / (self.tolerance or 1.0)

    def judged(self, float64: Float64 | None, *, lenient: bool = True) -> Comparison:
        """The same judged by float64: an error, or rounding.

        Args:
            float64: what it says; None if nothing.
            lenient: rounding beyond the tolerance counts as equal.
        """
        if float64 is None:
            return self
        rounding = (
            lenient and self.reason == TOO_FAR and float64.is_rounding(self.tolerance)
        )
        found = replace(self, float64=float64)
        return found.excused() if rounding else found

    @property
    def amplified(self) -> bool:
        """Whether the arrays are far apart, and would be for a last digit."""
        return (
            self.reason == TOO_FAR
            and self.float64 is not None
            and self.float64.is_amplified(self.tolerance)
        )

    def excused(self) -> Comparison:
        """The same, its difference taken for rounding."""
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
    """A number as JSON has it; one that is not finite stands as a string."""
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
    """Compare an array with what it should be.

    Args:
        name: of the output or node.
        got: the runtime's array.
        expected: the reference's array.
        tolerance: relative to floating point numbers only, so that whole numbers
            agree only where they are equal.
        kind: the Keras class, for a node.
        case: name of the case.
        expected_dtype: where the array came widened, what it was.
        same_dtype: another dtype counts as different (half precision apart, which
            the runtime computes in float32).
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
    """The comparison of an array that the runtime would not compute."""
    nothing = np.zeros((0,), expected.dtype)
    found = compare(name, nothing, expected, Tolerance(0.0, 0.0), kind=kind, case=case)
    return replace(found, reason=f"refused here: {reason}", largest=math.nan, at=None)


def distance(got: Array, expected: Array) -> float:
    """Largest absolute difference; inf where NaN or an infinity is on one side only."""
    return math.nan if got.shape != expected.shape else _largest(got, expected)[0]


def worst(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Of the comparisons of one name the worst, in the order of the names."""
    worst_pairs: dict[str, Comparison] = {}
    for pair in comparisons:
        if (
            pair.name not in worst_pairs
            or pair.badness > worst_pairs[pair.name].badness
        ):
            worst_pairs[pair.name] = pair
    return list(worst_pairs.values())


def _allowed(expected: Array, tolerance: Tolerance) -> float:
    """The bound in numbers; an infinity does not widen it."""
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
    # Differences of whole numbers are taken as Python would, far from overflow.
    ours, theirs = got.astype(np.float64), expected.astype(np.float64)
    equal = (got == expected) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        away = np.where(equal, 0.0, np.abs(ours - theirs))
        away[np.isnan(away)] = np.inf
        # Two different int64 may be one float64.
        away = np.where(equal | (away > 0), away, 1.0)
        compared = (theirs != 0) & np.isfinite(theirs)
        relative = np.where(compared, away / np.abs(theirs), 0.0)
    return *_peak(away), *_peak(relative)


def _peak(array: Array) -> tuple[float, tuple[int, ...]]:
    place = np.unravel_index(int(np.argmax(array)), array.shape)
    at = tuple(int(i) for i in place)
    return float(array[at]), at
