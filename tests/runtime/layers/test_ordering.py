"""Operations on the order of elements: ties, zeros of both signs, NaN."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation

NAN = np.nan


@pytest.mark.parametrize(
    ("layer", "x", "expected"),
    [
        ({"function": "argmax"}, [1, 3, 3, 0], 1),
        ({"function": "argmin"}, [1, 0, 3, 0], 1),
        # Measured: TensorFlow passes over NaN, JAX takes the first one.
        ({"function": "argmax", "skips_nan": True}, [1, NAN, 3, 3], 2),
        ({"function": "argmin", "skips_nan": True}, [NAN, NAN, NAN, NAN], 0),
        ({"function": "argmax"}, [1, NAN, 3, NAN], 1),
        ({"function": "argmin", "skips_nan": True}, [NAN, np.inf, NAN, NAN], 0),
        # Measured: Keras since 3.9 takes -0.0 for less than 0.0.
        ({"function": "argmax"}, [-0.0, 0.0, -1, 0], 0),
        ({"function": "argmax", "signs_zeros": True}, [-0.0, 0.0, -1, 0], 1),
        ({"function": "argmin", "signs_zeros": True}, [0.0, -0.0, 1, 0], 1),
    ],
)
def test_the_extreme_is_that_of_keras(layer, x, expected):
    y = run_operation(layers.ArgExtreme(axis=1, **layer), np.array([x], "float32"))
    np.testing.assert_array_equal(y, [expected])


def test_ties_that_tensorflow_may_move_are_refused():
    layer = layers.ArgExtreme(function="argmax", axis=1, refuses_ties=True)
    np.testing.assert_array_equal(run_operation(layer, np.float32([[0, 0, 2]])), [2])
    with pytest.raises(InputError, match="take the extreme before that function"):
        layer.forward({}, np.float32([[0, 2, 2]]))


def test_equal_elements_stay_in_their_order():
    x = np.array([[2, 1, 2, 1, 0]], "int32")
    for descending, expected in ((False, [4, 1, 3, 0, 2]), (True, [0, 2, 1, 3, 4])):
        layer = layers.Ordered(function="argsort", descending=descending)
        np.testing.assert_array_equal(run_operation(layer, x), [expected])
    top = layers.TopK(k=3, function="indices")
    np.testing.assert_array_equal(run_operation(top, x), [[0, 2, 1]])


def test_zeros_of_top_k():
    """Measured on Keras 3.10: TensorFlow takes both for equal, JAX does not."""
    x = np.array([[-0.0, 0.0, -1, -0.0, 0.0, -2]], "float32")
    for signs, expected in ((False, [0, 1, 3]), (True, [1, 4, 0])):
        layer = layers.TopK(k=3, function="indices", signs_zeros=signs)
        np.testing.assert_array_equal(run_operation(layer, x), [expected])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Ordered(function="sort"),
        layers.Ordered(function="argsort"),
        layers.TopK(k=1),
    ],
)
def test_nan_has_no_place_in_an_order(layer):
    """TensorFlow leaves the numbers around NaN unsorted, JAX puts NaN last."""
    with pytest.raises(InputError, match="no place in an order"):
        layer.forward({}, np.array([[1, NAN]], "float32"))


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.ArgExtreme(function="argmax", axis=2), [(None, 5)]),
        (layers.ArgExtreme(function="argmax", axis=1), [(None, 0)]),
        (layers.TopK(k=6), [(None, 5)]),
        (layers.TopK(k=1), [(None,)]),
        (layers.Cumulative(function="cumsum", axis=0), [(None, 5)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 3, 6]),
        ({"exclusive": True}, [0, 1, 3]),
        ({"reverse": True}, [6, 5, 3]),
        ({"reverse": True, "exclusive": True}, [5, 3, 0]),
    ],
)
def test_sums_up_to_each_element(options, expected):
    layer = layers.Cumulative(function="cumsum", axis=1, **options)
    y = run_operation(layer, np.array([[1, 2, 3]], "int32"))
    np.testing.assert_array_equal(y, [expected])


def test_small_integers_are_promoted_by_some_releases():
    with pytest.raises(ValueError, match="not supported"):
        layers.Cumulative(function="cumsum", axis=1).output_dtype("int8")
