"""Elementwise functions of one tensor."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from layer_examples import run_operation

FLOATS = np.array([[-1.5, 0.1, 2.5]], "float32")
WHOLES = np.array([[-7, 1, 2]], "int32")


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        (layers.Unary(function="round"), [FLOATS], np.float32([-2, 0, 2])),
        (layers.Unary(function="absolute"), [WHOLES], np.int32([7, 1, 2])),
    ],
)
def test_numbers_and_their_types(layer, arrays, expected):
    y = run_operation(layer, *arrays)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "dtypes", "message"),
    [
        (layers.Unary(function="exp"), ("int32",), "cast it to float32"),
        (layers.Unary(function="square"), ("bool",), "booleans"),
        (layers.Activated(function="relu"), ("int32",), "cast it to float32"),
        (layers.Clip(lower=0, upper=1), ("int32",), "cast it to float32"),
    ],
)
def test_number_types_that_libraries_treat_differently_are_refused(
    layer, dtypes, message
):
    with pytest.raises(ValueError, match=message):
        layer.output_dtype(*dtypes)
