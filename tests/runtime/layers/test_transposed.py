"""Transposed convolution."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import run_random
from spatial_examples import window


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 2), (4, 3, 1), (1, 2, 1), (5, 2, 1)]
)
def test_transposed_convolution_is_the_adjoint(padding, size, stride, dilation):
    sizes = {
        "kernel_size": (size, 2),
        "strides": (stride, 1),
        "dilation": (dilation, 1),
        "padding": padding,
        "use_bias": False,
        "dtype": "float64",
    }
    (x,), weights, y = run_random(
        layers.ConvTranspose(filters=4, **sizes), [(2, 5, 6, 3)]
    )
    other = np.random.default_rng(1).normal(size=y.shape)
    conv = make_plan(layers.Conv(filters=3, **sizes), weights)
    (back,) = conv.run([other], None)
    np.testing.assert_allclose((back * x).sum(), (other * y).sum(), rtol=1e-10)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.ConvTranspose, {"filters": 2, **window(2, strides=[1])}, "in length"),
        (
            layers.ConvTranspose,
            {"filters": 2, "output_padding": [2, 0], **window(2)},
            "output_padding is 2, expected 0 to 1",
        ),
        (
            layers.ConvTranspose,
            {"filters": 2, "output_padding": [0, 0], **window(2, padding="same")},
            "last window, got 0",
        ),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
