"""Activation functions: names, objects and layers of one function."""

from __future__ import annotations

import pytest

from meanings import meaning_of
from spellings import KERAS_3, check_options, check_refused_option, convert


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        (
            "Activation",
            {"activation": "hard_sigmoid"},
            {"function": {"function": "hard_sigmoid", "slope": 0.2}},
        ),
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
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Activation", {"activation": "swish"}, {"function": "silu"}),
        ("Activation", {"activation": None}, {"function": "linear"}),
        (
            "Activation",
            {"activation": {"class_name": "function", "config": "relu6"}},
            {"function": {"function": "relu", "max_value": 6.0}},
        ),
    ],
)
def test_functions_of_keras_3(class_name, options, attributes):
    """Multi-backend Keras had few."""
    check_options(class_name, options, attributes, meaning=KERAS_3)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
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
        ("ReLU", {"max_value": -1.0}, "max_value"),
        ("Softmax", {"axis": 1.0}, "axis"),
        ("Softmax", {"axis": []}, "axis"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)


def test_hard_sigmoid_is_that_of_the_writer():
    three = meaning_of("keras-3", "3.5.0")
    function = convert("Activation", {"activation": "hard_sigmoid"}, meaning=three)
    assert function.function == {"function": "hard_sigmoid", "slope": 1 / 6}
