"""Reductions and matrix products."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from layer_examples import run_operation


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Reduction(function="sum", axes=[1, -1]), [(None, 5)]),
        (layers.Matmul(), [(None, 3, 4), (None, 3, 4)]),
        (layers.Matmul(), [(None, 3), (None, 3)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


WHOLES = np.array([[-7, 1, 2]], "int32")


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        (layers.Reduction(function="sum", axes=[1]), [WHOLES], np.int32([-4])),
    ],
)
def test_numbers_and_their_types(layer, arrays, expected):
    y = run_operation(layer, *arrays)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "dtypes", "message"),
    [
        (layers.Reduction(function="mean", axes=[1]), ("int32",), "cast it to float32"),
        (layers.Reduction(function="sum", axes=[1]), ("int8",), "not supported"),
        (layers.Matmul(), ("float32", "float64"), "are not supported"),
    ],
)
def test_number_types_that_libraries_treat_differently_are_refused(
    layer, dtypes, message
):
    with pytest.raises(ValueError, match=message):
        layer.output_dtype(*dtypes)
