"""Booleans and whole numbers into layers of floating point numbers: taken or refused.

What is taken is proven by the fixtures ``whole_number_layers``; what a row of the table
says was seen in Keras 3.15 and in tf-keras 2.21.
"""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.errors import UnsupportedModelError
from gru2np.graph.flatten import build
from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
from gru2np.layers.custom import Specs
from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan
from meanings import meaning_of

KERAS_3 = meaning_of("keras-3", "3.15.1")
TF_KERAS = meaning_of("tf.keras", "2.21.0")
POOL = {"pool_size": 2, "strides": 2, "padding": "valid"}
CONV = {"filters": 2, "kernel_size": 2}
UNITS = {"units": 3}
INT, LONG = ("int32",), ("int64",)
BOTH, MIXED, BESIDE = LONG * 2, ("int32", "int64"), ("int64", "float32")
BOOLS = ("bool", "bool")


def a_layer(*fields, **others):
    """A layer without options of training."""
    return KerasLayer(*fields, training={}, **others)


def a_model(*fields):
    """A functional model."""
    return KerasModel(*fields, sequential=False, config={})


def converted(class_name, options, dtypes, meaning, size=(6, 4), inside=None):
    """The graph of one layer, or of one model inside another, on such inputs."""
    names = [f"x{i}" for i in range(len(dtypes))]
    refs = tuple(TensorRef(name, 0, 0) for name in names)
    shape = [None, *size]

    def inputs(declared):
        return [
            a_layer("InputLayer", name, {"batch_shape": shape, "dtype": dtype})
            for name, dtype in zip(names, declared, strict=True)
        ]

    def model(declared, layer):
        output = (TensorRef("layer", 0, 0),)
        return a_model("m", (*inputs(declared), layer), refs, output)

    layer = a_layer(class_name, "layer", options, (Call(refs),))
    if inside is not None:
        nested = model(inside, layer)
        layer = a_layer("Functional", "layer", {}, (Call(refs),), model=nested)
    return build(model(dtypes, layer), meaning, Specs()).graph


# Class, options, dtypes of its inputs; in Keras 3 and before: the dtype, or refused.
SEEN = [
    ("Dense", UNITS, LONG, "float32", "float32"),
    ("BatchNormalization", {}, INT, "float32", "float32"),
    ("Dropout", {"rate": 0.5}, ("bool",), "bool", "bool"),
    ("Flatten", {}, ("uint8",), "uint8", "uint8"),
    ("Activation", {"activation": "linear"}, ("bool",), "bool", "bool"),
    ("Activation", {"activation": "relu"}, LONG, "int64", "int64"),
    ("Activation", {"activation": "relu"}, ("bool",), None, None),
    ("Activation", {"activation": "tanh"}, LONG, "float32", None),
    ("Activation", {"activation": "sigmoid"}, LONG, None, None),
    ("ReLU", {"max_value": 6.0}, INT, "int32", "int32"),
    ("ReLU", {"max_value": 6.5}, INT, None, None),
    ("ReLU", {"max_value": 300.0}, ("uint8",), None, None),
    ("ReLU", {"negative_slope": 0.5}, INT, "float32", "float32"),
    ("ReLU", {"negative_slope": 0.5, "max_value": 6.0}, INT, None, None),
    ("LeakyReLU", {}, INT, "float32", "float32"),
    ("ELU", {}, INT, None, None),
    ("Softmax", {}, INT, None, None),
    ("PReLU", {}, INT, None, None),
    ("Masking", {}, LONG, "int64", None),
    ("Masking", {}, ("bool",), None, None),
    ("LayerNormalization", {}, LONG, None, "float32"),
    ("UnitNormalization", {}, LONG, None, "float32"),
    ("GroupNormalization", {"groups": 2}, LONG, None, None),
    ("RMSNormalization", {}, LONG, None, None),
    ("Conv1D", CONV, INT, None, None),
    ("AveragePooling1D", POOL, INT, None, None),
    ("MaxPooling1D", POOL, INT, "int32", "int32"),
    ("MaxPooling1D", POOL, ("bool",), None, None),
    ("GlobalMaxPooling1D", {}, LONG, "int64", "int64"),
    ("GlobalAveragePooling1D", {}, LONG, "float32", None),
    ("AdaptiveMaxPooling1D", {"output_size": 2}, LONG, None, None),
    ("GRU", {**UNITS, "reset_after": True}, LONG, "float32", None),
    ("Discretization", {"bin_boundaries": [0.0]}, ("uint8",), "int32", None),
    ("Add", {}, BOTH, "int64", "int64"),
    ("Add", {}, MIXED, "int64", None),
    ("Add", {}, BESIDE, "float32", None),
    ("Add", {}, BOOLS, None, None),
    ("Multiply", {}, ("uint8", "int32"), "int32", None),
    ("Maximum", {}, ("bool", "int32"), "int32", None),
    ("Concatenate", {}, BESIDE, "float32", None),
    ("Concatenate", {}, BOOLS, "bool", "bool"),
    ("Average", {}, BOTH, None, None),
    ("Average", {}, BESIDE, "float32", None),
    ("Dot", {"axes": 2}, BOTH, None, None),
    ("Dot", {"axes": 2}, BESIDE, "float32", None),
    ("Attention", {}, BOTH, None, None),
]


@pytest.mark.parametrize("keras_3", [True, False], ids=["keras-3", "tf-keras"])
@pytest.mark.parametrize(
    ("class_name", "options", "dtypes", "now", "before"),
    SEEN,
    ids=lambda value: str(value).replace(" ", ""),
)
def test_taken_or_refused(class_name, options, dtypes, now, before, keras_3):
    meaning, expected = (KERAS_3, now) if keras_3 else (TF_KERAS, before)
    if expected is not None:
        graph = converted(class_name, options, dtypes, meaning)
        assert graph.outputs[0].dtype == expected
        return
    with pytest.raises(UnsupportedModelError) as caught:
        converted(class_name, options, dtypes, meaning)
    text = str(caught.value)
    assert f"layer 'layer' ({class_name})" in text
    assert all(f"{dtype} from 'x{i}'" in text for i, dtype in enumerate(dtypes))
    assert "cast it to float32 before this layer" in text


def test_a_nested_model_accepts_the_dtypes_that_it_declares():
    graph = converted("Multiply", {}, BOTH, KERAS_3, inside=("float32", "int32"))
    assert [graph.layers[node.layer].op for node in graph.nodes] == [
        "cast",
        "cast",
        "multiply",
    ]
    assert graph.outputs[0].dtype == "float32"
    graph = converted(
        "LayerNormalization",
        {},
        INT,
        KERAS_3,
        inside=({"class_name": "DTypePolicy", "config": {"name": "float64"}},),
    )
    assert next(graph.layers[node.layer].op for node in graph.nodes) == "cast"
    graph = converted("Add", {}, BOTH, KERAS_3, inside=BOTH)
    assert [graph.layers[node.layer].op for node in graph.nodes] == ["add"]


@pytest.mark.parametrize("class_name", ["Multiply", "Maximum", "Minimum"])
def test_merges_that_leave_masked_numbers_out_support_floats_only(class_name):
    x, masked = TensorRef("x", 0, 0), TensorRef("masked", 0, 0)

    def model(dtype):
        shape = {"batch_shape": [None, 6, 4], "dtype": dtype}
        return a_model(
            "m",
            (
                a_layer("InputLayer", "x", shape),
                a_layer("Masking", "masked", {}, (Call((x,)),)),
                a_layer(class_name, "merged", {}, (Call((masked, x)),)),
            ),
            (x,),
            (TensorRef("merged", 0, 0),),
        )

    assert build(model("float32"), KERAS_3, Specs()).graph.outputs[0].dtype == "float32"
    with pytest.raises(UnsupportedModelError, match=r"takes bool from .*, int64 from"):
        build(model("int64"), KERAS_3, Specs())


def test_a_layer_inside_a_wrapper_decides():
    def wrapped(class_name, options=None):
        child = a_layer(class_name, "inner", options or {})
        x = TensorRef("x", 0, 0)
        layer = a_layer(
            "TimeDistributed", "layer", {}, (Call((x,)),), (("layer", child),)
        )
        shape = {"batch_shape": [None, 6, 4], "dtype": "int64"}
        model = a_model(
            "m",
            (a_layer("InputLayer", "x", shape), layer),
            (x,),
            (TensorRef("layer", 0, 0),),
        )
        return build(model, KERAS_3, Specs()).graph

    assert wrapped("ReLU").outputs[0].dtype == "int64"
    assert wrapped("Dense", UNITS).outputs[0].dtype == "float32"
    assert wrapped("Embedding", {"input_dim": 3, "output_dim": 2}).outputs[0].dtype == (
        "float32"
    )
    with pytest.raises(
        UnsupportedModelError, match=r"\(TimeDistributed\): takes int64"
    ):
        wrapped("LayerNormalization")


@pytest.mark.parametrize(
    ("layer", "dtype"),
    [
        (layers.Activation(function="relu"), "int64"),
        (layers.Activation(function={"function": "relu", "max_value": 6.0}), "int32"),
        (layers.Activation(function={"function": "relu", "threshold": 2.0}), "int64"),
        (layers.Activation(function="relu"), "uint8"),
        (layers.Activation(function="linear"), "bool"),
        (layers.Masking(mask_value=0.5), "int32"),
        (layers.Masking(), "uint8"),
        (layers.GlobalMaxPooling(), "int64"),
        (layers.MaxPooling(pool_size=[2], strides=[2], padding="same"), "uint8"),
        (layers.TimeDistributed(layers={"layer": layers.Flatten()}), "bool"),
        (layers.TimeDistributed(layers={"layer": layers.Dense(units=1)}), "int64"),
    ],
    ids=lambda value: getattr(value, "op", value),
)
def test_the_dtype_is_the_stated_one(layer, dtype):
    x = np.array([[[-(2**61) + 1, 3], [2**61 + 1, 7], [0, 0]]]).astype(dtype)
    weights = {
        name: np.ones(shape, "float32")
        for name, shape in layer.weight_shapes(x.shape).items()
    }
    given = x if layer.keeps_dtype or layer.keeps_integers else x.astype("float32")
    (y,) = make_plan(layer, weights).run([given], None)
    assert y.dtype == layer.output_dtype(dtype)


@pytest.mark.parametrize(
    ("layer", "dtypes", "expected"),
    [
        (layers.Add(), ("int32", "int64"), [2**53 + 2, -4]),
        (layers.Multiply(), ("int64", "int64"), [2**53 + 1, 4]),
        (layers.Maximum(), ("int64", "float32"), [2.0**53, -2.0]),
    ],
    ids=lambda value: getattr(value, "op", ""),
)
def test_merges_of_integers_are_exact(layer, dtypes, expected):
    x = np.array([[1, -2]], dtypes[0])
    y = np.array([[2**53 + 1, -2]], dtypes[1])
    (z,) = make_plan(layer, {}).run([x, y], None)
    assert z.dtype == layer.output_dtype(*dtypes)
    np.testing.assert_array_equal(z, np.array([expected], z.dtype))
