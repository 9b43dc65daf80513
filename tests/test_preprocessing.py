"""Preprocessing layers: bounds of their inputs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.layers import LAYERS, NOT_CONVERTED
from gru2np_runtime import InputError
from gru2np_runtime.layers import (
    CategoryEncoding,
    Discretization,
    EinsumDense,
    IntegerLookup,
    Rescaling,
)


@pytest.mark.parametrize(
    "class_name", ["Hashing", "RandomCrop", "StringLookup", "TextVectorization"]
)
def test_refused_layers_say_why(class_name):
    assert class_name not in LAYERS
    assert len(NOT_CONVERTED[class_name]) > 20


def test_numbers_outside_of_the_categories():
    x = np.array([[1, 4]])
    strict = CategoryEncoding(num_tokens=4, output="multi_hot")
    with pytest.raises(InputError, match="from 0 to 3, got 4"):
        strict.forward({}, x)
    lenient = CategoryEncoding(num_tokens=4, output="multi_hot", leaves_out=True)
    np.testing.assert_array_equal(lenient.forward({}, x), [[0, 1, 0, 0]])
    with pytest.raises(InputError, match="got -1"):
        lenient.forward({}, np.array([[-1, 2]]))


def test_a_lookup_without_places_for_other_numbers():
    layer = IntegerLookup(vocabulary=(7, 3), outside=0)
    np.testing.assert_array_equal(layer.forward({}, np.array([[3, 7]])), [[1, 0]])
    with pytest.raises(InputError, match="5 is not in the vocabulary"):
        layer.forward({}, np.array([[5]]))
    with pytest.raises(InputError, match="expected integers"):
        layer.forward({}, np.array([[5.0]]))


@pytest.mark.parametrize(
    ("kind", "attributes", "words"),
    [
        (IntegerLookup, {"vocabulary": (1, 1)}, "distinct integers"),
        (Discretization, {"boundaries": (1.0, 0.0)}, "ascending order"),
        (EinsumDense, {"equation": "ab,bc->ca", "output_shape": (3,)}, "the batch"),
        (EinsumDense, {"equation": "ab,bc", "output_shape": (3,)}, "illegal equation"),
        (
            EinsumDense,
            {"equation": "aab,bc->ac", "output_shape": (3,)},
            "different letters",
        ),
        (
            EinsumDense,
            {"equation": "ab,bc->ad", "output_shape": (3,)},
            "in another term",
        ),
    ],
)
def test_illegal_attributes(kind, attributes, words):
    with pytest.raises(ValueError, match=words):
        kind(**attributes)


def test_rescaling_by_features_does_not_take_time_for_them():
    several = Rescaling(scale=(1.0, 2.0))
    assert several.over_time((None, 2)) == "across"
    assert several.over_time((None, 5, 2)) == "pointwise"
