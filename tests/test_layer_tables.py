"""The runtime's table of layers, and what every layer refuses."""

from __future__ import annotations

import ast
import pickle
from importlib import import_module
from pathlib import Path

import pytest

from gru2np_runtime import layers
from gru2np_runtime.layers import FAMILY, layer_class
from layer_examples import examples, identity

FAMILIES = sorted({path.split(".")[0] for path in FAMILY.values()})
EXAMPLES = examples("float64")
CONV = {"filters": 4, "kernel_size": [3], "strides": [1], "dilation": [1]}
POOL = {"pool_size": [2], "strides": [2]}


@pytest.mark.parametrize("family", FAMILIES)
def test_family_is_the_module_s_own_table(family):
    table = import_module(f"gru2np_runtime.layers.{family}").LAYERS
    names = {op: kind.__name__ for op, kind in table.items()}
    assert names == {
        op: path.split(".")[1]
        for op, path in FAMILY.items()
        if path.split(".")[0] == family
    }


def test_a_type_checker_knows_every_class():
    """The others would be layers of any attributes to it."""
    tree = ast.parse(Path(layers.__file__).read_text("utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    paths = {
        f"{node.module.rpartition('.')[2]}.{alias.asname}"
        for node in imported
        for alias in node.names
        if alias.asname
    }
    assert paths == set(FAMILY.values())


@pytest.mark.parametrize("op", FAMILY)
def test_op_leads_to_its_class(op):
    kind = layer_class(op)
    assert kind.op == op
    assert getattr(layers, kind.__name__) is kind
    assert kind.__name__ in layers.__all__


def test_unknown_op_and_name():
    with pytest.raises(KeyError):
        layer_class("unknown")
    with pytest.raises(AttributeError, match="no layer 'Unknown'"):
        layers.Unknown  # noqa: B018


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


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.BatchNormalization, {"epsilon": -1.0}, "epsilon is -1.0"),
        (layers.BatchNormalization, {"epsilon": "nan"}, "epsilon is nan"),
        (layers.Cast, {"number": "object"}, "number is 'object'"),
        (layers.Conv, {**CONV, "filters": 0}, "filters is 0"),
        (layers.Conv, {**CONV, "groups": 3}, "expected groups to divide filters"),
        (layers.Conv, {**CONV, "kernel_size": []}, "differ in length"),
        (layers.Conv, {**CONV, "padding": "half"}, "padding is 'half'"),
        (layers.Conv, {**CONV, "padding": "same", "before": [9]}, "before is 9"),
        (layers.Conv, {**CONV, "before": [0]}, "before is for padding same"),
        (layers.Conv, {**CONV, "strides": [0]}, "strides is 0"),
        (layers.Conv, {**CONV, "strides": [1, 1]}, "differ in length"),
        (layers.Cropping, {"cropping": [(1, -1)]}, "cropping is -1"),
        (layers.Dense, {"units": 0}, "units is 0"),
        (layers.Dot, {"axes": [1]}, "expected two"),
        (layers.Embedding, {"input_dim": 0, "output_dim": 1}, "input_dim is 0"),
        (layers.Flatten, {"data_format": "last"}, "data_format is 'last'"),
        (layers.LayerNormalization, {"axes": []}, "axes is empty"),
        (layers.MaxPooling, {**POOL, "padding": "causal"}, "padding is 'causal'"),
        (layers.MaxPooling, {**POOL, "strides": [1, 2]}, "differ in length"),
        (layers.OnesLike, {"number": "complex64"}, "number is 'complex64'"),
        (layers.PReLU, {"shared_axes": [0]}, "shared_axes is 0"),
        (layers.Permute, {"dims": [0, 1]}, "dims is"),
        (layers.RepeatVector, {"n": 0}, "n is 0"),
        (layers.Reshape, {"target_shape": [-1, -1]}, "more than one -1"),
        (layers.Reshape, {"target_shape": [0]}, "target_shape is 0"),
        (layers.UpSampling, {"size": [0]}, "size is 0"),
        (layers.ZeroPadding, {"padding": []}, "expected pairs"),
        (layers.ZeroPadding, {"padding": [(1,)]}, "expected pairs"),
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
        (layers.Add(), [(None, 5), (None, 4)]),
        (layers.Any(axes=[0]), [(None, 4)]),
        (layers.BatchNormalization(axis=2), [(None, 4)]),
        (layers.BroadcastTo(shape=[None, 4]), [(None, 3)]),
        (layers.Concatenate(), [(None, 4), (None, 4, 4)]),
        (layers.Conv(**CONV), [(None, 4)]),
        (layers.Conv(**{**CONV, "groups": 2}), [(None, 4, 3)]),
        (layers.Dense(units=3), [(None,)]),
        (layers.Dot(axes=[1, 1]), [(None, 2, 3, 4), (None, 2)]),
        (layers.Dot(axes=[0, 1]), [(None, 2), (None, 2)]),
        (layers.GlobalMaxPooling(), [(None, 4)]),
        (layers.LayerNormalization(axes=[0]), [(None, 4)]),
        (layers.PReLU(shared_axes=[2]), [(None, 4)]),
        (layers.Permute(dims=[2, 1]), [(None, 4)]),
        (layers.RepeatVector(n=2), [(None, 4, 4)]),
        (layers.Reshape(target_shape=[3, -1]), [(None, 4)]),
        (layers.Subtract(), [(None, 4)] * 3),
        (layers.Where(), [(None, 4, 4), (None, 4)]),
        (layers.ZeroPadding(padding=[(1, 1)]), [(None, 4)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
