"""Softmax with a mask."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime.layers.scores import masked_softmax

# Entirely masked, partly masked, not masked.
MASK = np.array([[False, False], [True, False], [True, True]])
SCORES = np.array([[0.5, 2.0], [0.5, 2.0], [0.5, 2.0]], "float32")


@pytest.mark.parametrize(
    ("how", "expected"), [("added", 0.5), ("replaced", 0.5), ("zeroed", 0.0)]
)
def test_rows_that_are_masked_entirely_depend_on_the_version(how, expected):
    y = masked_softmax(SCORES, MASK, (-1,), how)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[0], expected)
    np.testing.assert_allclose(y[1], [1.0, 0.0])
