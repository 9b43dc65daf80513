"""Nodes of ``keras.ops`` with two operands: options that are taken and refused."""

from __future__ import annotations

import pytest

from gru2np.ir import Call
from gru2np_runtime import layers
from spellings import (
    ONE,
    TWO,
    C,
    X,
    Y,
    check_operation,
    check_refused_operation,
    convert,
    numbers,
    with_constant,
)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "attributes"),
    [
        ("ops.NotEqual", {}, Call((X,), constants=((1, 0),)), {"value": 0.0}),
        ("ops.NotEqual", {}, Call((X,), constants=((0, -1.5),)), {"value": -1.5}),
    ],
)
def test_operations(class_name, options, call, attributes):
    layer = convert(class_name, options, call=call)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes


@pytest.mark.parametrize(
    ("class_name", "options", "call"),
    [
        ("ops.NotEqual", {}, Call((X,), constants=((1, "0"),))),
    ],
)
def test_operations_with_other_arguments_are_refused(class_name, options, call):
    assert len(convert(class_name, options, call=call)) == 1


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        ("Add", {}, TWO, layers.Binary(function="add")),
        (
            "Subtract",
            {},
            with_constant(2, 0),
            layers.Binary(
                function="subtract",
                constant=[2],
                constant_kind="int",
                constant_first=True,
            ),
        ),
        (
            "TrueDivide",
            {"whole_as": "float64"},
            with_constant(0.5),
            layers.Binary(
                function="divide",
                constant=[0.5],
                constant_kind="float",
                dtype="float64",
            ),
        ),
        (
            "Power",
            {},
            with_constant(numbers([[1.0, 2.0]], "float32")),
            layers.Binary(
                function="power",
                constant=[1, 2],
                constant_shape=[1, 2],
                constant_kind="float32",
            ),
        ),
        ("Equal", {}, TWO, layers.Binary(function="equal")),
        ("NotEqual", {}, with_constant(0), layers.NotEqual(value=0.0)),
        ("NotEqual", {}, TWO, layers.Binary(function="not_equal")),
        ("LogicalXor", {}, TWO, layers.Binary(function="logical_xor")),
        ("Where", {}, Call((C, X, Y)), layers.Select()),
        (
            "Where",
            {},
            Call((X,), constants=((0, [True, False]), (2, 0.0))),
            layers.Select(
                y=[0.0],
                constant_kind="float",
                condition=[1, 0],
                condition_shape=[2],
            ),
        ),
        (
            "Where",
            {},
            Call((C, X), constants=((2, 0.0),)),
            layers.Select(y=[0.0], constant_kind="float"),
        ),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Add", {}, ONE, "expected 2 tensors"),
        ("Add", {}, with_constant("x"), "expected a number"),
        ("Add", {}, with_constant([[1.0], [1.0, 2.0]]), "lists of different lengths"),
        ("Add", {}, with_constant([]), "reasonable size"),
        ("Add", {}, with_constant(2**60), "expected a number"),
        ("Add", {}, with_constant(numbers([0.1], "float64")), "use float32"),
        ("Add", {}, Call((X,), constants=((0, 1), (1, 2))), "expected two operands"),
        ("Add", {"seed": 1, "axis": 2}, TWO, "does not know"),
        ("Where", {}, Call((C, X)), "expected a condition and two values"),
        ("Where", {}, Call((X, Y), constants=((0, 1.0),)), "expected a tensor"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
