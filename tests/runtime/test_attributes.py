"""Attributes of layers: typed, immutable, refused by name."""

from __future__ import annotations

import pickle

import pytest

from gru2np_runtime import layers
from layer_examples import examples, identity

EXAMPLES = examples("float64")


@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_layer_is_immutable(example):
    layer, _ = example
    for name in layer.attributes():
        with pytest.raises(AttributeError, match="immutable"):
            setattr(layer, name, None)
    with pytest.raises(AttributeError, match="immutable"):
        layer.another = 1


@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_attributes_make_the_same_layer(example):
    layer, _ = example
    assert type(layer)(**layer.attributes()).attributes() == layer.attributes()
    copy = pickle.loads(pickle.dumps(layer))
    assert type(copy) is type(layer)
    assert copy.attributes() == layer.attributes()


@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_attributes_of_a_wrong_type_are_refused_by_name(example):
    layer, _ = example
    attributes = layer.attributes()
    for name in attributes:
        # No attribute is a set, nor a number type of NumPy's.
        with pytest.raises((TypeError, ValueError), match=layer.op):
            type(layer)(**{**attributes, name: {1}})
    with pytest.raises(TypeError, match="unknown attribute 'another'"):
        type(layer)(**attributes, another=1)
    with pytest.raises(TypeError, match="expected float32 or float64 for 'dtype'"):
        type(layer)(**{**attributes, "dtype": "float16"})


@pytest.mark.parametrize("value", [True, 2.0, "2", None])
def test_an_integer_is_an_integer(value):
    with pytest.raises(TypeError, match="expected int for 'units'"):
        layers.Dense(units=value)


def test_a_missing_attribute_is_named():
    with pytest.raises(TypeError, match="dense: attribute 'units' is missing"):
        layers.Dense()
