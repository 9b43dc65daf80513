"""Depthwise and separable convolution."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gru2np_runtime import layers
from layer_examples import run_random
from spatial_examples import window


def test_depthwise_convolution_is_its_sum():
    layer = layers.DepthwiseConv(
        kernel_size=(2, 3),
        strides=(1, 2),
        dilation=(2, 1),
        depth_multiplier=2,
        dtype="float64",
    )
    (x,), weights, y = run_random(layer, [(2, 6, 7, 3)])
    for i, j in product(range(y.shape[1]), range(y.shape[2])):
        seen = x[:, i : i + 3 : 2, 2 * j : 2 * j + 3]
        expected = np.einsum("bklc,klcm->bcm", seen, weights["depthwise_kernel"])
        expected = expected.reshape(2, 6) + weights["bias"]
        np.testing.assert_allclose(y[:, i, j], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.DepthwiseConv, window(2, padding="causal"), "one spatial axis"),
        (layers.DepthwiseConv, window(2, kernel_size=[]), "in length"),
        (layers.SeparableConv, {"filters": 0, **window(2)}, "filters is 0"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
