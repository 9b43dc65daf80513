"""Options of Keras layers: what is taken, what is harmless, what is refused."""

from __future__ import annotations

import pytest

from gru2np.ir import Call, KerasLayer, TensorRef
from gru2np.layers import FAMILIES, LAYERS
from gru2np.layers.spec import Config, Refused
from meanings import meaning_of

KERAS_2 = meaning_of("keras-2", "2.2.4")
KERAS_3 = meaning_of("keras-3", "3.15.1")
X = TensorRef("x", 0, 0)


def convert(class_name, options, *, call=None, meaning=KERAS_2, training=()):
    """The runtime layer, or the problems."""
    problems = []
    calls = (call,) if call else ()
    layer = KerasLayer(class_name, "layer", options, calls, training=dict(training))
    config = Config(layer, "layer", meaning, problems.append, lambda *_: None)
    try:
        return LAYERS[class_name].convert(config)
    except Refused:
        return problems


def test_no_class_is_in_two_families():
    assert sum(len(family.LAYERS) for family in FAMILIES) == len(LAYERS)


CONV = {"filters": 4, "kernel_size": [3]}
# class, options, attributes of the runtime layer that follow.
TAKEN = [
    ("Activation", {"activation": "swish"}, {"function": "silu"}),
    ("Activation", {"activation": None}, {"function": "linear"}),
    (
        "Activation",
        {"activation": "hard_sigmoid"},
        {"function": {"function": "hard_sigmoid", "slope": 0.2}},
    ),
    (
        "Activation",
        {"activation": {"class_name": "function", "config": "relu6"}},
        {"function": {"function": "relu", "max_value": 6.0}},
    ),
    (
        "Dense",
        {
            "units": 3,
            "activation": {
                "module": "keras.layers",
                "class_name": "LeakyReLU",
                "config": {"name": "leaky", "negative_slope": 0.5, "dtype": "float32"},
            },
        },
        {"units": 3, "activation": {"function": "relu", "negative_slope": 0.5}},
    ),
    ("Dense", {"units": 3, "lora_rank": None}, {"activation": "linear"}),
    ("ELU", {"alpha": 1.0}, {"function": "elu"}),
    ("ReLU", {"max_value": None}, {"function": "relu"}),
    (
        "ReLU",
        {"max_value": 6, "negative_slope": 0.5, "threshold": 0.25},
        {
            "function": {
                "function": "relu",
                "max_value": 6.0,
                "negative_slope": 0.5,
                "threshold": 0.25,
            }
        },
    ),
    ("Softmax", {"axis": [2]}, {"function": {"function": "softmax", "axis": 2}}),
    (
        "ThresholdedReLU",
        {"theta": 0.5},
        {"function": {"function": "relu", "threshold": 0.5}},
    ),
    ("BatchNormalization", {"axis": [2]}, {"axis": 2}),
    ("BatchNormalization", {"axis": [2, 1]}, {"axes": (2, 1)}),
    ("BatchNormalization", {"axis": 1, "renorm": True}, {"axis": 1}),
    ("BatchNormalization", {"renorm": False, "synchronized": True}, {"axis": -1}),
    ("LayerNormalization", {"axis": 1}, {"axes": (1,), "rms_scaling": False}),
    ("Concatenate", {"axis": 1}, {"axis": 1}),
    ("Dot", {"axes": -1}, {"axes": (-1, -1), "normalize": False}),
    ("Conv1D", CONV, {"strides": (1,), "dilation": (1,), "padding": "valid"}),
    ("Conv1D", {**CONV, "kernel_size": 2}, {"kernel_size": (2,)}),
    ("Cropping1D", {"cropping": 2}, {"cropping": ((2, 2),)}),
    ("Dropout", {"rate": 0.5, "noise_shape": None, "seed": 1}, {}),
    ("Embedding", {"input_dim": 3, "output_dim": 2, "input_length": 4}, {}),
    ("GlobalAveragePooling1D", {}, {"keepdims": False}),
    ("Masking", {"mask_value": -1}, {"mask_value": -1.0}),
    ("MaxPooling1D", {"pool_size": 3, "strides": None}, {"strides": (3,)}),
    ("MaxPooling1D", {"pool_size": [3], "strides": 2}, {"strides": (2,)}),
    ("PReLU", {"shared_axes": None}, {"shared_axes": ()}),
    ("Reshape", {"target_shape": [-1, 2]}, {"target_shape": (-1, 2)}),
    ("UpSampling1D", {"size": 2}, {"size": (2,)}),
    ("ZeroPadding1D", {"padding": [0, 2]}, {"padding": ((0, 2),)}),
]


@pytest.mark.parametrize(("class_name", "options", "attributes"), TAKEN)
def test_options_become_attributes(class_name, options, attributes):
    usual = {"name": "layer", "trainable": True, "dtype": "float64"}
    # Multi-backend Keras had few functions, and a hard_sigmoid of its own.
    few = options.get("activation") == "hard_sigmoid" or class_name != "Activation"
    meaning = KERAS_2 if few else KERAS_3
    layer = convert(class_name, {**usual, **options}, meaning=meaning)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes
    assert layer.dtype == "float64"


REFUSED = [
    ("Activation", {"activation": "threshold"}, "activation"),
    ("Activation", {"activation": "my_function"}, "activation"),
    ("Activation", {"activation": ["relu"]}, "activation"),
    (
        "Activation",
        {
            "activation": {
                "module": "mine",
                "class_name": "function",
                "config": "relu",
            }
        },
        "activation",
    ),
    (
        "Activation",
        {"activation": {"class_name": "PReLU", "config": {}}},
        "activation",
    ),
    (
        "Dense",
        {
            "units": 1,
            "activation": {"class_name": "ELU", "config": {"beta": 1}},
        },
        "beta",
    ),
    ("Dense", {"units": True}, "units"),
    ("Dense", {"units": 2.0}, "units"),
    ("Dense", {}, "units"),
    ("Dense", {"units": 2, "lora_rank": 4}, "lora_rank"),
    ("Dense", {"units": 2, "quantization_config": {}}, "quantization_config"),
    ("Dense", {"units": 2, "dtype": "int8"}, "dtype"),
    ("Dense", {"units": 2, "unheard_of": 1}, "unheard_of"),
    ("ReLU", {"max_value": -1.0}, "max_value"),
    ("Softmax", {"axis": 1.0}, "axis"),
    ("Softmax", {"axis": []}, "axis"),
    ("BatchNormalization", {"axis": [1, []]}, None),
    ("BatchNormalization", {"renorm": 1}, "renorm"),
    ("Conv1D", {**CONV, "padding": "full"}, "padding"),
    ("Conv1D", {**CONV, "groups": 3}, None),
    ("Conv1D", {**CONV, "kernel_size": [3, 3]}, "kernel_size"),
    ("Cropping1D", {"cropping": [-1, 1]}, "cropping"),
    ("Dot", {"axes": [1, 2, 3]}, "axes"),
    ("Masking", {"mask_value": "0"}, "mask_value"),
    ("MaxPooling1D", {"pool_size": 0}, "pool_size"),
    ("Permute", {"dims": [1, 3]}, None),
    ("Reshape", {"target_shape": "2"}, None),
    ("PReLU", {"shared_axes": [-1]}, None),
]


@pytest.mark.parametrize(("class_name", "options", "option"), REFUSED)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    problems = convert(class_name, options)
    assert [problem.option for problem in problems] == [option]
    assert "layer 'layer" in str(problems[0])


TENSOR = Call((X,))
OPS = [
    ("ops.Any", {"axis": -1}, TENSOR, {"axes": (-1,), "keepdims": False}),
    ("ops.BroadcastTo", {"shape": [None, 4]}, TENSOR, {"shape": (None, 4)}),
    ("ops.Cast", {"dtype": "bfloat16"}, TENSOR, {"number": "bfloat16"}),
    ("ops.Concatenate", {"axis": 1}, Call((X, X)), {"axis": 1}),
    ("ops.ExpandDims", {"axis": -1}, TENSOR, {"axis": -1}),
    ("ops.LogicalAnd", {}, Call((X, X)), {}),
    ("ops.LogicalOr", {"name": "or"}, Call((X, X)), {}),
    ("ops.NotEqual", {}, Call((X,), constants=((1, 0),)), {"value": 0.0}),
    ("ops.NotEqual", {}, Call((X,), constants=((0, -1.5),)), {"value": -1.5}),
    ("ops.OnesLike", {"dtype": None}, TENSOR, {"number": ""}),
    ("ops.ZerosLike", {"dtype": "bool"}, TENSOR, {"number": "bool"}),
]


@pytest.mark.parametrize(("class_name", "options", "call", "attributes"), OPS)
def test_operations(class_name, options, call, attributes):
    layer = convert(class_name, options, call=call)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes


@pytest.mark.parametrize(
    ("class_name", "options", "call"),
    [
        ("ops.Any", {"axis": None}, TENSOR),
        ("ops.Cast", {}, TENSOR),
        ("ops.Cast", {"dtype": "complex64"}, TENSOR),
        ("ops.ExpandDims", {"axis": -1}, Call((X,), keywords={"axis": 1})),
        ("ops.LogicalOr", {}, TENSOR),
        ("ops.LogicalOr", {}, Call((X,), constants=((1, True),))),
        ("ops.NotEqual", {}, Call((X,), constants=((1, "0"),))),
    ],
)
def test_operations_with_other_arguments_are_refused(class_name, options, call):
    assert len(convert(class_name, options, call=call)) == 1


def test_hard_sigmoid_is_that_of_the_writer():
    three = meaning_of("keras-3", "3.5.0")
    function = convert("Activation", {"activation": "hard_sigmoid"}, meaning=three)
    assert function.function == {"function": "hard_sigmoid", "slope": 1 / 6}


@pytest.mark.parametrize(("rate", "rule"), [(0.0, "previous"), (0.5, "zero")])
def test_recurrent_dropout_kept_a_layer_of_tensorflow_2_from_cudnn(rate, rule):
    options = {"units": 3, "implementation": 2, "zero_output_for_mask": True}
    layer = convert(
        "LSTM",
        {**options, "recurrent_activation": "sigmoid"},
        meaning=meaning_of("tf.keras", "2.0.4"),
        training={"recurrent_dropout": rate},
    )
    assert layer.masked_output == rule
