"""Pooling: padding and masks."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan


def test_pooling_does_not_count_its_padding():
    x = np.array([-1.0, -2.0, -6.0])[None, :, None]
    options = {"pool_size": (2,), "strides": (2,), "padding": "same"}
    (largest,) = make_plan(layers.MaxPooling(**options), {}).run([x], None)
    (mean,) = make_plan(layers.AveragePooling(**options), {}).run([x], None)
    np.testing.assert_array_equal(largest.ravel(), [-1, -6])
    np.testing.assert_array_equal(mean.ravel(), [-1.5, -6])


def test_masked_mean():
    x = np.arange(12.0).reshape(2, 3, 2)
    mask = np.array([[True, False, True], [False, False, False]])
    layer = layers.GlobalAveragePooling(dtype="float64")
    (y,) = make_plan(layer, {}).run([x], mask)
    np.testing.assert_array_equal(y, [[2, 3], [np.nan, np.nan]])


POOL = {"pool_size": [2], "strides": [2]}


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.MaxPooling, {**POOL, "padding": "causal"}, "padding is 'causal'"),
        (layers.MaxPooling, {**POOL, "strides": [1, 2]}, "differ in length"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.GlobalMaxPooling(), [(None, 4)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
