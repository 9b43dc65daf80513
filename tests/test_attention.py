"""Attention: what its masks mean to each Keras, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

import gru2np
from gru2np.generations import keras2, keras3
from gru2np_runtime import load
from gru2np_runtime.layers import Attention, MultiHeadAttention
from gru2np_runtime.layers.scores import masked_softmax

FIXTURES = Path(__file__).parent.parent / "fixtures"
# Entirely masked, partly masked, not masked.
MASK = np.array([[False, False], [True, False], [True, True]])
SCORES = np.array([[0.5, 2.0], [0.5, 2.0], [0.5, 2.0]], "float32")


@pytest.mark.parametrize(
    ("how", "expected"), [("added", 0.5), ("replaced", 0.5), ("zeroed", 0.0)]
)
def test_what_is_masked_entirely_hangs_on_the_version(how, expected):
    y = masked_softmax(SCORES, MASK, (-1,), how)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[0], expected)
    np.testing.assert_allclose(y[1], [1.0, 0.0])


@pytest.mark.parametrize(
    ("version", "masking", "takes"),
    [
        ((3, 5, 0), "added", False),
        ((3, 9, 2), "added", True),
        ((3, 10, 0), "zeroed", True),
    ],
)
def test_keras_3_changed_what_heads_do_with_masks(version, masking, takes):
    meaning = keras3.meaning(version, "3", None)
    assert meaning.attention.masked_scores == masking
    assert meaning.attention.heads_take_masks == takes


def test_heads_looked_at_no_masks_before_tensorflow_2_10():
    assert not keras2.meaning((2, 9, 0), "2.9.0", "tf.keras").attention.heads_use_masks
    assert keras2.meaning((2, 10, 0), "2.10.0", "tf.keras").attention.heads_use_masks


def test_the_value_s_mask_over_the_batch_is_refused(tmp_path, rewrite_keras):
    source = FIXTURES / "keras-3.15" / "attention_masked" / "model.keras"

    def older(metadata):
        return json.dumps({**json.loads(metadata), "keras_version": "3.11.3"})

    path = rewrite_keras(source, tmp_path / "older.keras", "metadata.json", older)
    with pytest.raises(gru2np.UnsupportedModelError, match="over the batch"):
        gru2np.export(path, io.BytesIO())


@pytest.fixture
def rewrite_keras():
    """A .keras archive with one member changed."""
    import zipfile

    def rewrite(source, target, member, change):
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                new.writestr(name, change(data) if name == member else data)
        return target

    return rewrite


def test_attention_cannot_run_step_by_step():
    out = io.BytesIO()
    gru2np.export(FIXTURES / "keras-3.15" / "heads_in_a_row" / "model.keras", out)
    with pytest.raises(gru2np.InputError, match="cannot run step by step"):
        load(out.getvalue()).initial_state(batch_size=1)


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
