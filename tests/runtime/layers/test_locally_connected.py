"""Locally connected layers: attributes that are refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (
            layers.LocallyConnected,
            {"filters": 2, "kernel_size": [2], "strides": [1, 1]},
            "in length",
        ),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
