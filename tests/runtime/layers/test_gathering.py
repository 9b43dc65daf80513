"""Operations that pick elements: indices out of range, dtypes and shapes."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation

X = np.arange(12, dtype="float32").reshape(2, 3, 2)


@pytest.mark.parametrize(
    ("layer", "indices"),
    [
        (layers.Pick(axis=1, shared=1), [[3], [0]]),
        (layers.Pick(axis=1, shared=1), [[-1], [0]]),
        (layers.Pick(axis=1, shared=1, from_end=True), [[-4], [0]]),
        (layers.TakeAlong(axis=1), [[[3, 0]], [[0, 0]]]),
    ],
)
def test_indices_out_of_range_are_input_errors(layer, indices):
    """TensorFlow raises, JAX gives NaN: neither is a number of the model."""
    with pytest.raises(InputError, match="expected indices from"):
        layer.forward({}, X, np.array(indices))


def test_constant_indices_are_checked():
    for layer in (layers.Take(axis=1, indices=[3]), layers.Take(axis=1, indices=[-1])):
        with pytest.raises(InputError, match="expected indices from 0 to 2"):
            layer.output_shapes((None, 3, 2))
    assert layers.Take(axis=1, indices=[-1], from_end=True).output_shapes(
        (None, 3, 2)
    ) == ((None, 2),)


@pytest.mark.parametrize(
    ("layer", "dtypes"),
    [
        (layers.Pick(axis=1, shared=1), ("float32", "float32")),
        (layers.TakeAlong(axis=1), ("float32", "bool")),
        (layers.OneHot(depth=3), ("float32",)),
    ],
)
def test_indices_are_integers(layer, dtypes):
    with pytest.raises(ValueError, match="integer"):
        layer.output_dtype(*dtypes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Pick(axis=1, shared=2), [(None, 3), (None, 3)]),
        (layers.Pick(axis=2, shared=2), [(None, 3, 2), (None, 4)]),
        (layers.Pick(axis=1, shared=1), [(None, 3)]),
        (layers.TakeAlong(axis=1), [(None, 3), (None, 3, 2)]),
        (layers.OneHot(depth=3, axis=0), [(None, 3)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


def test_an_index_outside_of_a_vector_leaves_it_off():
    y = run_operation(layers.OneHot(depth=2, on=2.0), np.array([[-1, 0, 2]]))
    np.testing.assert_array_equal(y, [[[0, 0], [2, 0], [0, 0]]])


def test_picks_of_each_sample():
    y = run_operation(layers.Pick(axis=1, shared=1), X, np.array([[2, 0], [1, 1]]))
    np.testing.assert_array_equal(y, np.stack([X[0, [2, 0]], X[1, [1, 1]]]))
