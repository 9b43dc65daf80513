"""Quantised inputs: rounding, scales, exact sums, and what is no finite number."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.layer import PER_STEP
from gru2np_runtime.layers import quantized

INT8 = {"low": -127.0, "high": 127.0, "epsilon": 1e-7}
DENSE = layers.QuantizedDense(units=2, **INT8)


def test_halves_are_rounded_to_even():
    x = np.float32([[127, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5]])
    numbers, scale = quantized.quantized(x, (-1,), DENSE)
    assert scale == np.float32(1)
    assert numbers.tolist() == [[127, 0, 2, 2, 0, -2, 126]]


def test_a_row_of_zeros_gives_the_bias():
    weights = {
        "kernel": np.float32([[1, -2], [3, 4]]),
        "bias": np.float32([5, 6]),
        "kernel_scale": np.float32([7, 8]),
    }
    x = np.float32([[0, 0], [1e-30, 0], [np.nan, 1], [np.inf, 1], [3e38, -3e38]])
    y = DENSE.forward(weights, x)
    assert y[:2].tolist() == [[5, 6], [5, 6]]
    assert np.isnan(y[2:4]).all()
    assert np.isfinite(y[4]).all()


@pytest.mark.parametrize("features", [1, 1024, 1025, 5000])
def test_sums_are_exact(features):
    rng = np.random.default_rng(features)
    numbers = rng.integers(120, 128, (3, features)).astype(np.float32)
    kernel = rng.integers(-128, -120, (features, 2)).astype(np.float32)
    exact = numbers.astype(np.int64) @ kernel.astype(np.int64)
    found = quantized.exact_product(numbers, kernel)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, exact.astype(np.float32))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"low": 1.0}, "expected low to be a whole number"),
        ({"high": 129.0}, "expected high to be a whole number"),
        ({"high": 1.5}, "expected high"),
        ({"epsilon": 0.0}, "expected epsilon above 0"),
        ({"epsilon": float("nan")}, "expected epsilon above 0"),
    ],
)
def test_a_range_that_int8_does_not_hold_is_refused(options, words):
    for kind, attributes in (
        (layers.QuantizedDense, {"units": 2}),
        (
            layers.QuantizedEinsumDense,
            {"equation": "ab,bc->ac", "output_shape": (2,)},
        ),
        (layers.QuantizedReversibleEmbedding, {"input_dim": 3, "output_dim": 2}),
    ):
        with pytest.raises(ValueError, match=words):
            kind(**{**INT8, **attributes, **options})


def test_what_keras_never_quantises_is_refused():
    with pytest.raises(ValueError, match="never quantised"):
        layers.QuantizedEinsumDense(equation="...a,ab->...b", output_shape=(2,), **INT8)
    with pytest.raises(ValueError, match="terms of a sum"):
        DENSE.weight_shapes((None, 2**17))


def test_rows_are_quantised_one_by_one():
    """So a step, and a row of a batch, give what they give among others."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 5, 4)).astype(np.float32) * np.float32(
        [[[1]], [[99]], [[0]]]
    )
    model = layers.QuantizedDense(units=2, **INT8).bind(
        kernel=rng.integers(-127, 128, (4, 2)).astype(np.float32),
        bias=rng.normal(size=2).astype(np.float32),
        kernel_scale=np.float32([50, 90]),
    )
    whole = model(x)
    for t in range(x.shape[1]):
        np.testing.assert_array_equal(model(x[:, t : t + 1]), whole[:, t : t + 1])
    np.testing.assert_array_equal(model(x[1:2]), whole[1:2])
    assert DENSE.over_time((None, None, 4)) == PER_STEP
