"""Convolution: its sum."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import (
    run_random,
)


def test_convolution_in_channels_first_is_a_transposition():
    options = {"filters": 4, "kernel_size": (3,), "strides": (2,), "dilation": (1,)}
    for padding in ("valid", "same", "causal"):
        last = layers.Conv(**options, padding=padding)
        first = layers.Conv(**options, padding=padding, data_format="channels_first")
        (x,), weights, y = run_random(last, [(2, 7, 3)])
        (swapped,) = make_plan(first, weights).run([x.swapaxes(1, 2)], None)
        np.testing.assert_allclose(swapped, y.swapaxes(1, 2), rtol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 2), (4, 3, 1)])
def test_convolution_is_its_sum(padding, size, stride, dilation):
    layer = layers.Conv(
        filters=4,
        kernel_size=(size,),
        strides=(stride,),
        dilation=(dilation,),
        padding=padding,
        groups=2,
        dtype="float64",
    )
    (x,), weights, y = run_random(layer, [(2, 8, 6)])
    reach = (size - 1) * dilation + 1
    total = {
        "valid": 0,
        "same": max((-(-8 // stride) - 1) * stride + reach - 8, 0),
        "causal": reach - 1,
    }[padding]
    before = total // 2 if padding == "same" else total
    padded = np.pad(x, [(0, 0), (before, total - before), (0, 0)])
    for t in range(y.shape[1]):
        for filter_ in range(4):
            channels = slice(0, 3) if filter_ < 2 else slice(3, 6)
            expected = weights["bias"][filter_]
            for tap in range(size):
                steps = padded[:, t * stride + tap * dilation, channels]
                expected = expected + steps @ weights["kernel"][tap, :, filter_]
            np.testing.assert_allclose(y[:, t, filter_], expected, rtol=1e-12)


CONV = {"filters": 4, "kernel_size": [3], "strides": [1], "dilation": [1]}


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Conv, {**CONV, "filters": 0}, "filters is 0"),
        (layers.Conv, {**CONV, "groups": 3}, "expected groups to divide filters"),
        (layers.Conv, {**CONV, "kernel_size": []}, "differ in length"),
        (layers.Conv, {**CONV, "padding": "half"}, "padding is 'half'"),
        (layers.Conv, {**CONV, "padding": "same", "before": [9]}, "before is 9"),
        (layers.Conv, {**CONV, "before": [0]}, "before is for padding same"),
        (layers.Conv, {**CONV, "strides": [0]}, "strides is 0"),
        (layers.Conv, {**CONV, "strides": [1, 1]}, "differ in length"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Conv(**CONV), [(None, 4)]),
        (layers.Conv(**{**CONV, "groups": 2}), [(None, 4, 3)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
