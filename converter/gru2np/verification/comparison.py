"""Two arrays side by side: how far they are apart, where, and whether that is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.layers._spec import dtype_name
from gru2np.verification.samples import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gru2np.conversion import Conversion
    from gru2np.ir import KerasLayer

    Array = NDArray[Any]
    Number = int | float | bool


@dataclass(frozen=True)
class Tolerance:
    """How far two arrays may be apart: ``atol + rtol * max|y|``, y the expected one.

    One bound for the whole array: an element that cancels to nearly nothing carries
    the rounding errors of the numbers it was made from.
    """

    atol: float
    rtol: float


# Two programs on one machine, by the least precise number type of the model.
TOLERANCES = {
    "float32": Tolerance(1e-6, 1e-5),
    "float64": Tolerance(1e-12, 1e-10),
    # Keras computes these in half precision, gru2np in float32.
    "float16": Tolerance(0.0, 2e-3),
    "bfloat16": Tolerance(0.0, 2e-2),
}
# Outputs recorded by another machine or another version.
RECORDED = Tolerance(2e-5, 1e-4)
HALF = ("float16", "bfloat16")


@dataclass(frozen=True)
class Comparison:
    """One array of the runtime beside the same one of the reference.

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

    @property
    def agrees(self) -> bool:
        """Whether the two arrays are equal within the tolerance."""
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """The comparison as ``verify --json`` prints it."""
        return {
            "name": self.name,
            **({"class_name": self.kind} if self.kind else {}),
            "agree": self.agrees,
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
        expected_dtype: where the array came widened, what it was.
        same_dtype: another dtype counts as different (half precision apart, which
            the runtime computes in float32).
    """
    wanted_dtype = expected_dtype or expected.dtype.name
    largest, at, relative, relative_at = math.nan, None, math.nan, None
    allowed, reason = tolerance.atol, ""
    if got.shape != expected.shape:
        reason = "another shape"
    else:
        allowed = _allowed(expected, tolerance)
        largest, at, relative, relative_at = _largest(got, expected)
        if largest > allowed:
            reason = "infinite or NaN on one side" if largest == math.inf else "too far"
        elif same_dtype and wanted_dtype not in (got.dtype.name, *HALF):
            reason = "another dtype"
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
    )


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


def precision(conversion: Conversion) -> str:
    """The least precise number type that the model computes in, in its Keras."""
    policies = {dtype_name(own) for own in _policies(conversion.model.layers)}
    for half in HALF[::-1]:
        if policies & {half, f"mixed_{half}"}:
            return half
    computed = {
        layer.dtype
        for layer in walk(conversion.built.graph)
        if layer.op != "graph" and not layer.keeps_dtype and layer.gives_dtype is None
    }
    return "float64" if computed == {"float64"} else "float32"


def _policies(layers: Sequence[KerasLayer]) -> Iterator[object]:
    for layer in layers:
        if layer.class_name != "InputLayer":
            yield layer.config.get("dtype")
        inside = [child for _, child in layer.children]
        yield from _policies([*inside, *(layer.model.layers if layer.model else ())])
