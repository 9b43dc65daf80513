"""DotProductAttention: heads, masks and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def test_it_is_softmax_of_scores_times_values():
    query, key, value = arrays((2, 3, 2, 4), (2, 5, 2, 4), (2, 5, 2, 6))
    scores = np.einsum("btnh,bsnh->bnts", query, key) / 2
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    expected = np.einsum("bnts,bsnh->btnh", shares, value)
    y = run_operation(layers.DotProductAttention(), query, key, value)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_one_head_of_keys_serves_several_of_queries():
    query, key = arrays((1, 2, 4, 3), (1, 2, 2, 3))
    layer = layers.DotProductAttention()
    several = run_operation(layer, query, np.repeat(key, 2, 2), np.repeat(key, 2, 2))
    np.testing.assert_allclose(run_operation(layer, query, key, key), several)


def test_where_all_scores_are_masked_the_shares_are_equal():
    query, key = arrays((1, 2, 1, 3), (1, 4, 1, 3))
    layer = layers.DotProductAttention(has_mask=True)
    y = run_operation(layer, query, key, key, np.zeros((1, 1, 2, 4), bool))
    np.testing.assert_allclose(y[0, 0, 0], key.mean((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    "shapes",
    [
        [(None, 2, 2, 3)] * 2,
        [(None, 2, 3)] * 3,
        [(None, 2, 2, 3), (None, 2, 2, 4), (None, 2, 2, 4)],
        [(None, 2, 2, 3), (None, 2, 2, 3), (None, 3, 2, 3)],
        [(None, 2, 3, 3), (None, 2, 2, 3), (None, 2, 2, 3)],
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="dot_product_attention"):
        layers.DotProductAttention().output_shapes(*shapes)


def test_dtypes_and_masks_that_do_not_fit_are_refused():
    layer = layers.DotProductAttention(has_mask=True)
    with pytest.raises(ValueError, match="a mask of bool"):
        layer.output_dtype(*["float32"] * 4)
    with pytest.raises(ValueError, match="not supported"):
        layer.output_dtype("float32", "float64", "float32", "bool")
    (query,) = arrays((1, 2, 1, 3))
    with pytest.raises(InputError, match="do not fit together"):
        layer.forward({}, query, query, query, np.ones((1, 1, 3, 2), bool))
