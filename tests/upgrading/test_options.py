"""Options have the keys and the values that Keras 3 itself writes, or are refused."""

import pytest

from gru2np.ir import KerasLayer, Numbers
from gru2np.upgrading import target
from gru2np.upgrading.objects import NoForm, object_of
from gru2np.upgrading.options import (
    LEGAL,
    options_in_call,
    options_of,
    policy,
    unkept,
    unwritten,
    value_of,
)
from upgraded_files import layers_of, upgraded_file


def layer(class_name, config=None, **training):
    return KerasLayer(class_name, "a", config or {}, training=training)


def keys(class_name, config):
    return [key for key, *_ in unwritten(layer(class_name, config))]


@pytest.mark.parametrize("class_name", ["Dense", "GRU", "LSTM", "Conv1D", "Embedding"])
def test_every_key_that_keras_3_always_writes_is_written(class_name):
    always = target.classes()[class_name].always
    inside = {"cell", "layer", "backward_layer", "cells"}
    written = options_of(layer(class_name))
    known = {key for key, default in always.items() if default}
    assert known - inside <= written.keys()


@pytest.mark.parametrize(
    ("class_name", "key", "value"),
    [
        ("GRU", "time_major", True),
        ("GRU", "own_option", None),
        ("Dense", "adapted", True),
        ("LayerNormalization", "deviation_epsilon", 1e-3),
        ("Conv1D", "padding", "full"),
        ("BatchNormalization", "axis", [1, 2]),
        ("ops.Cumsum", "reverse", True),
    ],
)
def test_what_keras_3_has_no_form_for_is_named(class_name, key, value):
    ((found, shown, why),) = unwritten(layer(class_name, {key: value}))
    assert (found, shown) == (key, value)
    assert why.startswith("Keras 3 ")


@pytest.mark.parametrize(
    ("class_name", "key", "value"),
    [
        ("GRU", "time_major", False),
        ("Conv1D", "padding", "same"),
        ("BatchNormalization", "axis", [1]),
        ("Dense", "units", 3),
    ],
)
def test_what_keras_3_does_anyway_is_left_out(class_name, key, value):
    assert keys(class_name, {key: value}) == []


def test_every_value_that_keras_3_has_is_written():
    for padding in LEGAL["padding"]:
        assert options_of(layer("Conv1D", {"padding": padding}))["padding"] == padding


def test_one_axis_in_a_list_is_an_axis():
    assert options_of(layer("BatchNormalization", {"axis": [2]}))["axis"] == 2


def test_an_initializer_of_old_names_is_that_of_keras_3():
    record = object_of("kernel_initializer", "zeros")
    assert record == {
        "module": "keras.initializers",
        "class_name": "Zeros",
        "config": {},
        "registered_name": None,
    }


def test_a_regularizer_keeps_its_numbers():
    value = {"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}}
    record = object_of("kernel_regularizer", value)
    assert record["class_name"] == "L1L2"
    assert record["config"] == {"l1": 0.25, "l2": 0.5}


@pytest.mark.parametrize(
    "value", ["own_initializer", {"class_name": "Zeros", "config": {"own": 1}}, 3]
)
def test_an_object_that_keras_3_does_not_have_has_no_form(value):
    with pytest.raises(NoForm):
        object_of("kernel_initializer", value)


def test_what_is_lost_in_training_is_named():
    lost = unkept(layer("Dense", kernel_initializer="own_initializer"))
    assert list(lost) == ["kernel_initializer"]
    assert list(unkept(layer("Dense", kernel_initializer="zeros"))) == []
    assert list(unkept(layer("Embedding", dropout=0.5))) == ["dropout"]
    assert list(unkept(layer("Embedding", dropout=None))) == []


def test_objects_of_an_old_file_are_written_whole():
    data, _ = upgraded_file("keras-2.2/gru")
    config = layers_of(data)["gru_1"]["config"]
    assert config["recurrent_initializer"]["class_name"] == "Orthogonal"
    assert config["kernel_regularizer"] is None


def test_a_policy_is_an_object():
    assert policy("float64")["config"] == {"name": "float64"}
    assert policy(policy("mixed_float16"))["config"] == {"name": "mixed_float16"}


def test_an_array_keeps_its_dtype():
    numbers = Numbers([[1, 2]])
    numbers.dtype = "int32"
    assert value_of(numbers) == {
        "class_name": "__numpy__",
        "config": {"value": [[1, 2]], "dtype": "int32"},
    }
    assert value_of(2.0) == 2.0


def test_options_that_an_operation_is_called_with():
    pad = layer("ops.Pad", {"constant_values": 1.0, "mode": "constant"})
    assert options_in_call(pad) == {"constant_values": 1.0}
    assert "constant_values" not in options_of(pad)
