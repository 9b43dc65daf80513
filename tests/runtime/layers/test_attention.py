"""Attention: small batches, sizes, and no steps."""

from __future__ import annotations

import numpy as np
import pytest

from goldens import FIXTURES, Golden
from gru2np_runtime import InputError, load
from gru2np_runtime.layers import Attention, MultiHeadAttention


def test_attention_cannot_run_step_by_step():
    model = load(Golden(FIXTURES / "keras-3.15" / "heads_in_a_row").bundle())
    with pytest.raises(InputError, match="cannot run step by step"):
        model.initial_state(batch_size=1)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    layer = MultiHeadAttention(num_heads=2, key_dim=3, value_dim=2)
    shapes = [(batch, 4, 3), (batch, 5, 6)]
    weights = {
        name: np.ones(shape, "float32")
        for name, shape in layer.weight_shapes(*shapes).items()
    }
    y = layer.forward(weights, *(np.ones(shape, "float32") for shape in shapes))
    assert y.shape == (batch, 4, 3)
    assert y.dtype == np.float32


def test_queries_and_keys_of_other_features_are_refused():
    with pytest.raises(ValueError, match="differ in features"):
        Attention().output_shapes((None, 5, 4), (None, 6, 3))
