"""Attributes of layers: typed, immutable, refused by name."""

from __future__ import annotations

import inspect
import pickle
import pydoc

import pytest

from gru2np_runtime import Layer, layers
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


@pytest.mark.parametrize("name", layers.__all__)
def test_a_signature_shows_the_attributes(name):
    """As ``help`` and editors show it; those without a default come first."""
    layer = getattr(layers, name)
    *shown, last = inspect.signature(layer).parameters.values()
    assert last.name == "layers"
    assert {p.name: str(p.annotation) for p in shown} == layer.attribute_kinds()
    assert all(p.kind is p.KEYWORD_ONLY for p in shown)
    required = [p.name for p in shown if p.default is p.empty]
    assert required == [p.name for p in shown[: len(required)]]
    assert required == [p.name for p in shown if not hasattr(layer, p.name)]


def test_help_shows_the_options_of_a_gru():
    shown = pydoc.render_doc(layers.GRU, renderer=pydoc.plaintext)
    assert "GRU(*, units: int, activation: ActivationSpec = 'tanh', " in shown
    assert "reset_after: bool = True" in shown


def test_the_signature_of_a_custom_layer_is_its_own():
    class Scaled(Layer):
        factor: float

    class Doubled(Scaled):
        def __init__(self, offset):
            super().__init__(factor=2.0)

    shown = "(*, factor: float, dtype: FloatType = 'float32', "
    assert str(inspect.signature(Scaled)).startswith(shown)
    assert str(inspect.signature(Doubled)) == "(offset)"
    assert not hasattr(Scaled(factor=1.0), "__signature__")
