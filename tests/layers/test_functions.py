"""Nodes of ``keras.ops`` with one operand: options that are taken and refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from spellings import (
    ONE,
    check_operation,
    check_refused_operation,
)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        ("Absolute", {}, ONE, layers.Unary(function="absolute")),
        ("Round", {"decimals": 0}, ONE, layers.Unary(function="round")),
        ("StopGradient", {}, ONE, layers.Unary(function="identity")),
        (
            "Relu6",
            {},
            ONE,
            layers.Activated(function={"function": "relu", "max_value": 6}),
        ),
        ("Gelu", {"approximate": False}, ONE, layers.Activated(function="gelu")),
        (
            "HardSigmoid",
            {},
            ONE,
            layers.Activated(function={"function": "hard_sigmoid", "slope": 1 / 6}),
        ),
        ("Clip", {"x_min": -1, "x_max": 1.5}, ONE, layers.Clip(lower=-1, upper=1.5)),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Round", {"decimals": 2}, ONE, "rounding to integers"),
        ("Clip", {"x_min": 2, "x_max": 1}, ONE, "expected lower <= upper, got 2.0"),
        ("Clip", {"x_min": [1], "x_max": 1}, ONE, "expected a number"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
