"""Resizing: attributes that are refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.UpSampling, {"size": [0]}, "size is 0"),
        (layers.Resizing, {}, "either sizes or factors"),
        (layers.Resizing, {"sizes": [2], "interpolation": "linear"}, "interpolation"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
