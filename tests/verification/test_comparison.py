"""Two arrays: how far they are apart, and whether that is rounding."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gru2np.verification.comparison import Float64, Tolerance, compare
from gru2np.verification.settings import TOLERANCES

FLOAT32 = TOLERANCES["float32"]


def test_the_largest_difference_has_its_place_and_both_numbers():
    got = np.array([[1.0, 2.0], [3.0, 4.5]], "float32")
    expected = np.array([[1.0, 2.25], [3.0, 4.0]], "float32")
    found = compare("y", got, expected, FLOAT32)
    assert (found.largest, found.at) == (0.5, (1, 1))
    assert (found.value, found.expected) == (4.5, 4.0)
    assert (found.relative, found.relative_at) == (0.125, (1, 1))
    assert not found.agrees


def test_the_tolerance_grows_with_the_largest_number():
    expected = np.array([0.0, 100.0])
    near = compare("y", expected + 0.9e-3, expected, FLOAT32)
    assert near.agrees
    assert near.tolerance == pytest.approx(1e-6 + 1e-3)
    assert not compare("y", expected + 1.1e-3, expected, FLOAT32).agrees


def test_nan_and_infinity_agree_only_with_themselves():
    expected = np.array([np.nan, np.inf, -np.inf, 1.0], "float32")
    assert compare("y", expected.copy(), expected, FLOAT32).agrees
    for i, wrong in ((0, 1.0), (1, -np.inf), (2, 1.0), (3, np.nan)):
        got = expected.copy()
        got[i] = wrong
        found = compare("y", got, expected, FLOAT32)
        assert not found.agrees
        assert found.at == (i,)
        json.dumps(found.as_json(), allow_nan=False)


def test_other_shapes_and_dtypes_differ():
    x = np.ones((2, 3), "float32")
    assert compare("y", x, x[:, :2], FLOAT32).reason == "another shape"
    assert compare("y", x, x.astype("float64"), FLOAT32).reason == "another dtype"
    recorded = x.astype("float64")
    assert compare("y", x, recorded, FLOAT32, same_dtype=False).agrees
    assert compare("y", x, x, FLOAT32, expected_dtype="float16").agrees


def test_integers_and_booleans_are_exact():
    large = np.array([2**60, 5])
    assert compare("y", large, large, FLOAT32).agrees
    assert not compare("y", large + np.array([1, 0]), large, Tolerance(0.5, 1.0)).agrees
    mask = np.array([True, False])
    assert compare("y", mask, mask, FLOAT32).agrees
    assert not compare("y", mask, ~mask, FLOAT32).agrees


def test_empty_arrays_agree():
    empty = np.zeros((0, 3), "float32")
    assert compare("y", empty, empty, FLOAT32).agrees


ONE = Tolerance(1e-6, 0.0)


def beside(ours, theirs, exact):
    x = np.array([ours], np.float32)
    found = compare("y", x, np.array([theirs], np.float32), ONE)
    return found.judged(Float64(abs(theirs - exact), abs(ours - exact)))


def test_two_sides_about_as_far_from_float64_are_rounding():
    found = beside(1.00001, 0.99999, 1.000001)
    assert found.agrees
    assert found.verdict == "rounding"
    assert found.as_json()["verdict"] == "rounding"
    assert found.as_json()["float64"]["expected"] == pytest.approx(1.1e-5, rel=1e-3)


def test_where_a_last_digit_decides_there_is_no_verdict():
    """Neither that the two agree, nor that they differ."""
    tolerance = 1e-6
    chaos = Float64(0.5, 0.4, moved=0.3)
    assert not chaos.is_rounding(tolerance)
    assert chaos.is_amplified(tolerance)
    assert not Float64(0.5, 0.4, moved=0.01).is_amplified(tolerance)
    assert not Float64(1e-5, 1e-6, moved=1e-5).is_amplified(tolerance)


@pytest.mark.parametrize(
    ("ours", "theirs", "exact"),
    [
        # The kernel is wrong: only the runtime's float32 is far from float64.
        (1.00002, 1.0, 1.0000001),
        # The meaning is wrong, in float64 too: only Keras is far from it.
        (1.00002, 1.0, 1.0000201),
        # Both are far, in a model that says nothing any more.
        (1.001, 0.999, 1.0),
    ],
)
def test_a_side_that_is_far_alone_is_an_error(ours, theirs, exact):
    found = beside(ours, theirs, exact)
    assert not found.agrees
    assert found.verdict == "differ"


def test_a_tolerance_that_was_given_is_meant():
    x = np.array([1.00001], np.float32)
    found = compare("y", x, np.array([0.99999], np.float32), ONE)
    assert not found.judged(Float64(1e-5, 1e-5), lenient=False).agrees
