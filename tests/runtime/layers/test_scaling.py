"""Operations that scale vectors: bounds, orders and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from layer_examples import run_operation

X = np.array([[3.0, -4.0], [0.0, 0.0]], "float32")


@pytest.mark.parametrize(
    ("order", "expected"),
    [(1.0, 7), (2.0, 5), (3.0, 91 ** (1 / 3)), (np.inf, 4), (-np.inf, 3)],
)
def test_lengths(order, expected):
    y = run_operation(layers.Norm(axes=[1], order=order), X)
    np.testing.assert_allclose(y, [expected, 0], rtol=1e-6)


def test_vectors_of_zeros_stay_zeros():
    for layer in (
        layers.Normalized(axes=[1], least=1e-7),
        layers.Normalized(axes=[1], bound="square", least=1e-12),
    ):
        y = run_operation(layer, X)
        np.testing.assert_allclose(y, [[0.6, -0.8], [0, 0]], rtol=1e-6)


def test_float32_stays_float32():
    layer = layers.Standardized(axes=[-1], epsilon=1e-3, scale=[1, 2], offset=[0, 1])
    assert run_operation(layer, X).dtype == np.float32
    assert run_operation(layers.Norm(axes=[1], order=3.0), X).dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (layers.Norm, {"axes": []}),
        (layers.Norm, {"axes": [1], "order": 0.0}),
        (layers.Normalized, {"axes": [1], "least": -1.0}),
        (layers.Normalized, {"axes": [1], "least": 0.0, "bound": "cube"}),
    ],
)
def test_attributes_that_are_not_legal(kind, attributes):
    with pytest.raises(ValueError, match=r"\w"):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Norm(axes=[0]), (None, 2)),
        (layers.Norm(axes=[1, -1]), (None, 2)),
        (layers.Standardized(axes=[1], epsilon=0.1, scale=[1]), (None, 2)),
        (layers.Standardized(axes=[1], epsilon=0.1, scale=[1]), (None, None)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shape):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(shape)


def test_integers_are_refused():
    with pytest.raises(ValueError, match="not supported"):
        layers.Norm(axes=[1]).output_dtype("int32")
