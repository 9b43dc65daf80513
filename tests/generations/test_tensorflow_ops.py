"""Operations of TensorFlow in files of tf.keras."""

from __future__ import annotations

import copy

import pytest

import gru2np
from conversions import converted_with, opened, records_of
from gru2np.generations import tensorflow_ops
from spellings import (
    convert_operation,
)


@pytest.mark.parametrize("name", ["py_function", "os.system", "map_fn", "Add"])
def test_a_function_is_looked_up_in_a_table_alone(name):
    with opened("tf-2.4/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        records_of(config, "TFOpLambda")[0]["config"]["function"] = name
        with pytest.raises(gru2np.UnsupportedModelError, match="does not support"):
            converted_with(raw, config)


def test_a_function_whose_tensors_are_lost_is_refused():
    with opened("tf-2.4/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        records_of(config, "TFOpLambda")[0]["config"]["function"] = "einsum"
        with pytest.raises(gru2np.UnsupportedModelError, match="does not hold the"):
            converted_with(raw, config)


def test_an_unknown_node_is_refused_by_name():
    with opened("tf-1.15/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        node = records_of(config, "TensorFlowOpLayer")[0]
        node["config"]["node_def"]["op"] = "PyFunc"
        with pytest.raises(gru2np.UnsupportedModelError, match=r"tf\.raw_ops\.PyFunc"):
            converted_with(raw, config)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'y' is missing"),
        ({"y": 2.0, "alpha": 3}, "alpha"),
        ({"y": {"class_name": "__lambda__"}}, "expected a number"),
        ({"y": ["x", 0]}, "expected"),
    ],
)
def test_arguments_that_are_not_known_are_refused(arguments, message):
    with opened("tf-2.4/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        records_of(config, "TFOpLambda")[0]["inbound_nodes"][0][3] = arguments
        with pytest.raises(gru2np.Gru2npError, match=message):
            converted_with(raw, config)


def test_options_computed_by_the_model_are_refused():
    with opened("tf-2.4/pieces") as raw:
        config = copy.deepcopy(dict(raw.config))
        for spec in records_of(config, "TFOpLambda"):
            if spec["config"]["function"] == "reshape":
                spec["inbound_nodes"][0][3]["shape"] = [["tf.shape", 0, 0], 24]
        with pytest.raises(gru2np.UnsupportedModelError, match="computed by the model"):
            converted_with(raw, config)


def test_an_output_that_no_bundle_holds_is_refused():
    with opened("tf-2.4/arithmetic") as raw:
        config = copy.deepcopy(dict(raw.config))
        (cast,) = [
            spec
            for spec in records_of(config, "TFOpLambda")
            if spec["config"]["function"] == "cast"
        ]
        cast["inbound_nodes"][0][3]["dtype"] = "int16"
        config["config"]["output_layers"] = [[cast["name"], 0, 0]]
        with pytest.raises(gru2np.UnsupportedModelError, match="dtype='int16'"):
            converted_with(raw, config)


def test_bits_of_a_strided_slice():
    spec = {
        "name": "s",
        "class_name": "TensorFlowOpLayer",
        "config": {
            "node_def": {
                "op": "StridedSlice",
                "attr": {
                    "begin_mask": {"i": "1"},
                    "end_mask": {"i": "17"},
                    "ellipsis_mask": {"i": "2"},
                    "new_axis_mask": {"i": "4"},
                    "shrink_axis_mask": {"i": "8"},
                },
            },
            "constants": {"1": [0, 0, 0, -1, 1], "2": [0] * 5, "3": [1, 1, 1, 1, 2]},
        },
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }
    (call,) = tensorflow_ops.calls("here", spec)
    ((position, key),) = call.constants
    layer = convert_operation("GetItem", call=call)
    assert (position, len(key)) == (1, 5)
    expected = ((None, None, 1), (None,), (), (-1,), (1, None, 2))
    assert layer.items == expected
