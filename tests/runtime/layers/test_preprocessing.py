"""Rescaling and Normalization."""

from __future__ import annotations

from gru2np_runtime.layers import (
    Rescaling,
)


def test_rescaling_by_features_is_per_step():
    several = Rescaling(scale=(1.0, 2.0))
    assert several.over_time((None, 2)) == "across"
    assert several.over_time((None, 5, 2)) == "pointwise"
