"""Casts and the operations that masks are computed with."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("half", "x", "y"),
    [
        # Halfway between two: to the even one.
        ("float16", [1 + 2**-11, 1 + 3 * 2**-11], [1, 1 + 2**-9]),
        ("bfloat16", [1 + 2**-8, 1 + 3 * 2**-8], [1, 1 + 2**-6]),
        # The largest, and what is beyond it.
        ("float16", [65519, 65520, -70000], [65504, np.inf, -np.inf]),
        ("bfloat16", [3.3895314e38, 3.4e38], [3.3895314e38, np.inf]),
        ("float16", [2**-24, 2**-25, -0.0], [2**-24, 0, -0.0]),
        ("float16", [np.nan, np.inf], [np.nan, np.inf]),
        ("bfloat16", [np.nan, -np.inf, -0.0], [np.nan, -np.inf, -0.0]),
    ],
)
def test_rounding_to_half_precision(half, x, y):
    found = layers.Cast(number=half).forward({}, np.array(x, np.float32))
    np.testing.assert_array_equal(found, np.array(y, np.float32))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(np.float32(y)))
    assert found.dtype == np.float32


def test_a_nan_of_any_bits_stays_one():
    bits = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001], np.uint32)
    found = layers.Cast(number="bfloat16").forward({}, bits.view(np.float32))
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Cast, {"number": "object"}, "number is 'object'"),
        (layers.OnesLike, {"number": "complex64"}, "number is 'complex64'"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Any(axes=[0]), [(None, 4)]),
        (layers.BroadcastTo(shape=[None, 4]), [(None, 3)]),
        (layers.Where(), [(None, 4, 4), (None, 4)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
