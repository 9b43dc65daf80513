"""Pooling to a fixed number of windows."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan


@pytest.mark.parametrize(("steps", "count"), [(7, 3), (7, 7), (3, 7), (6, 3), (5, 1)])
def test_adaptive_pooling_sees_its_windows_alone(steps, count):
    x = np.random.default_rng(0).normal(size=(2, steps, 3))
    x[0, -1] = np.nan
    for kind, reduce in (
        (layers.AdaptiveAveragePooling, np.mean),
        (layers.AdaptiveMaxPooling, np.max),
    ):
        layer = kind(output_size=(count,), dtype="float64")
        (y,) = make_plan(layer, {}).run([x], None)
        for i in range(count):
            seen = x[:, i * steps // count : -(-(i + 1) * steps // count)]
            np.testing.assert_allclose(y[:, i], reduce(seen, axis=1), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.AdaptiveMaxPooling, {"output_size": []}, "output_size is empty"),
        (layers.AdaptiveMaxPooling, {"output_size": [0]}, "output_size is 0"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
