"""Embedding, Masking and layers of one function."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from gru2np_runtime.run.dispatch import make_plan


def test_masking_zeroes_what_the_next_layer_skips():
    x = np.array([[[0.1, 0.1], [0.1, 0.2], [np.nan, 0.1]]], "float32")
    (y,) = make_plan(layers.Masking(mask_value=0.1), {}).run([x], None)
    expected = np.array([[[0, 0], [0.1, 0.2], [np.nan, 0.1]]], "float32")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("ids", [[9], [-1], [8.5, 9.2], [np.nan], [np.inf], [-1.0]])
def test_embedding_names_the_id_that_it_has_not(ids):
    layer = layers.Embedding(input_dim=9, output_dim=2)
    plan = make_plan(layer, {"embeddings": np.zeros((9, 2), "float32")})
    with pytest.raises(InputError, match=r"ids from 0 to 8, got (9|-1|nan|inf)"):
        plan.run([np.array([ids])], None)


def test_embedding_cuts_ids_off():
    table = np.arange(18.0).reshape(9, 2)
    plan = make_plan(layers.Embedding(input_dim=9, output_dim=2), {"embeddings": table})
    (y,) = plan.run([np.array([[8.9, -0.9, 1]])], None)
    np.testing.assert_array_equal(y[0], table[[8, 0, 1]])


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Embedding, {"input_dim": 0, "output_dim": 1}, "input_dim is 0"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Activation(function="glu"), [(None, 5)]),
        (layers.Activation(function={"function": "softmax", "axis": 3}), [(None, 5)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
