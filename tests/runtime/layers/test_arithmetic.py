"""Functions of two tensors."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation


def binary(function, value=None, kind="", **options):
    if value is None:
        return layers.Binary(function=function, **options)
    return layers.Binary(
        function=function, constant=[value], constant_kind=kind, **options
    )


WHOLES = np.array([[-7, 1, 2]], "int32")


def test_integers_are_not_divided_by_0():
    with pytest.raises(InputError, match="divided by 0"):
        run_operation(binary("mod"), WHOLES, np.zeros((1, 3), "int32"))


def test_a_division_by_0_raises_no_warning():
    y = run_operation(binary("divide", 0, "int"), np.float32([[1, -1, 0]]))
    np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan]])
    y = run_operation(layers.Unary(function="log"), np.float32([[0, -1]]))
    np.testing.assert_array_equal(y, [[-np.inf, np.nan]])


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (binary("add"), [(None, 5, 4), (None, 4)]),
        (binary("add"), [(None, 5, 4), (None, 4, 4)]),
        (binary("add"), [(None, 4)]),
        (
            binary("add", constant=[1, 2], constant_shape=[2, 1], constant_kind="int"),
            [(None, 4)],
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


FLOATS = np.array([[-1.5, 0.1, 2.5]], "float32")


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        # What Keras 3.15 on TensorFlow gave for the same nodes.
        (binary("add", 0.1, "float"), [FLOATS], np.float32([-1.4, 0.2, 2.6])),
        (binary("add", 1, "int"), [WHOLES], np.int32([-6, 2, 3])),
        (binary("add", 1.5, "float"), [WHOLES], np.float32([-5.5, 2.5, 3.5])),
        (binary("add", 1, "int"), [FLOATS > 0], np.int32([1, 2, 2])),
        (binary("multiply"), [FLOATS, WHOLES], np.float32([10.5, 0.1, 5.0])),
        (binary("multiply"), [FLOATS > 0, FLOATS], np.float32([-0.0, 0.1, 2.5])),
        (binary("divide", 2, "int"), [WHOLES], np.float32([-3.5, 0.5, 1.0])),
        # TensorFlow's own division.
        (
            binary("divide", 2, "int", dtype="float64"),
            [WHOLES],
            np.float64([-3.5, 0.5, 1.0]),
        ),
        (binary("floor_divide", 2, "int"), [WHOLES], np.int32([-4, 0, 1])),
        (binary("mod", 3, "int"), [WHOLES], np.int32([2, 1, 2])),
        (binary("mod", -2.0, "float"), [FLOATS], np.float32([-1.5, -1.9, -1.5])),
        (binary("power", 2, "int"), [WHOLES], np.int32([49, 1, 4])),
        (binary("maximum", 1.5, "float"), [WHOLES], np.float32([1.5, 1.5, 2.0])),
        (binary("equal", 0.1, "float"), [FLOATS], np.array([False, True, False])),
        (binary("greater", 1.5, "float"), [WHOLES], np.array([False, False, True])),
        (binary("logical_xor"), [FLOATS > 0, WHOLES], np.array([True, False, False])),
        (
            binary("floor_of_quotient", 0.1, "float"),
            [np.float32([[1.0, -1.5, 0.3, 2.5]])],
            np.float32([10, -15, 3, 25]),
        ),
        (
            layers.Select(y=[1.5], constant_kind="float"),
            [WHOLES > 1, WHOLES],
            np.float32([1.5, 1.5, 2.0]),
        ),
    ],
)
def test_numbers_and_their_types(layer, arrays, expected):
    y = run_operation(layer, *arrays)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "dtypes", "message"),
    [
        (binary("add"), ("bool", "bool"), "booleans"),
        (binary("add"), ("uint64", "int64"), "are not supported"),
        (binary("add", 300, "int"), ("uint8",), "beyond uint8"),
        (binary("mod", 0, "int"), ("int32",), "divided by 0"),
        (binary("power", -1, "int"), ("int32",), "negative power"),
        (
            binary("floor_divide", 2.0, "float"),
            ("float32",),
            "backends of Keras differ",
        ),
        (binary("add", 1, "int64"), ("int32",), "give int64"),
        (layers.Select(), ("float32", "float32", "float32"), "compare it first"),
    ],
)
def test_number_types_that_libraries_treat_differently_are_refused(
    layer, dtypes, message
):
    with pytest.raises(ValueError, match=message):
        layer.output_dtype(*dtypes)
