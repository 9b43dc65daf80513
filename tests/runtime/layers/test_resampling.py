"""Resampling along one axis."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime.layers.resampling import INTERPOLATIONS, resampled


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("steps", "size"), [(5, 10), (7, 4), (6, 6), (1, 3)])
def test_resampling_keeps_what_is_constant(interpolation, steps, size):
    y = resampled(np.full((2, steps, 3), 0.5, "float32"), 1, size, interpolation)
    assert y.shape == (2, size, 3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, 0.5, rtol=1e-6)
