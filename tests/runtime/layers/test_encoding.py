"""Categories: bounds of their inputs, and vocabularies."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from gru2np_runtime.layers import (
    CategoryEncoding,
    Discretization,
    IntegerLookup,
)


@pytest.mark.parametrize(
    "layer",
    [
        layers.IntegerLookup(vocabulary=(7, 100, 1), outside=3),
        layers.IntegerLookup(vocabulary=(7, 100), outside=2, mask_token=(5,)),
        layers.IntegerLookup(vocabulary=(7, 100), outside=0),
    ],
)
def test_a_preimage_is_looked_up_at_its_place(layer):
    for place in range(layer.size()):
        number = np.array([layer.preimage(place)])
        assert layer.forward({}, number).tolist() == [place]
    assert layer.preimage(layer.size()) is None
    assert layer.preimage(0.5) is None


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
    ("kind", "attributes", "message"),
    [
        (IntegerLookup, {"vocabulary": (1, 1)}, "distinct integers"),
        (Discretization, {"boundaries": (1.0, 0.0)}, "ascending order"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
