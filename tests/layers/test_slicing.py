"""``keras.ops`` that slice, join and turn tensors: options taken and refused."""

from __future__ import annotations

import pytest

from gru2np.ir import Call
from gru2np_runtime import layers
from spellings import (
    ONE,
    TWO,
    X,
    check_operation,
    check_refused_operation,
    convert,
    with_constant,
)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "attributes"),
    [
        ("ops.Concatenate", {"axis": 1}, Call((X, X)), {"axis": 1}),
    ],
)
def test_operations(class_name, options, call, attributes):
    layer = convert(class_name, options, call=call)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes


WHOLE = {"class_name": "__slice__", "config": {"start": None, "stop": None}}
ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        (
            "GetItem",
            {},
            with_constant([WHOLE, -1]),
            layers.GetItem(items=[(None,) * 3, (-1,)]),
        ),
        (
            "GetItem",
            {},
            with_constant([ELLIPSIS, None, 2]),
            layers.GetItem(items=[(None,), (), (2,)]),
        ),
        ("GetItem", {}, with_constant(-1), layers.FirstItem(index=-1)),
        ("Concatenate", {"axis": 1}, TWO, layers.Joined(axis=1)),
        ("Stack", {"axis": 1}, TWO, layers.Stack(axis=1)),
        (
            "Reshape",
            {"newshape": [None, 3, -1]},
            ONE,
            layers.Reshaped(target_shape=[3, -1]),
        ),
        ("Transpose", {"axes": [0, 2, -2]}, ONE, layers.Transpose(dims=[2, 1])),
        ("Squeeze", {"axis": 1}, ONE, layers.Squeeze(axes=[1])),
        (
            "Split",
            {"indices_or_sections": [1, 3], "axis": 1},
            ONE,
            layers.Split(axis=1, bounds=[1, 3]),
        ),
        ("Split", {"sizes": [1, 3], "axis": 1}, ONE, layers.Split(axis=1, bounds=[1])),
        ("Split", {"sizes": 2, "axis": 1}, ONE, layers.Split(axis=1, sections=2)),
        ("Unstack", {"axis": 1, "num": None}, ONE, layers.Split(axis=1, squeeze=True)),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("GetItem", {}, with_constant([None, WHOLE]), "leaves the batch whole"),
        ("GetItem", {}, with_constant([WHOLE, "x"]), "expected an index or a slice"),
        ("GetItem", {}, with_constant([WHOLE, True]), "expected an index or a slice"),
        ("GetItem", {}, with_constant([WHOLE, 2**40]), "expected an index or a slice"),
        (
            "GetItem",
            {},
            with_constant([WHOLE, {"class_name": "__slice__", "config": {"step": 0}}]),
            "a step other than 0",
        ),
        ("GetItem", {}, with_constant([ELLIPSIS, ELLIPSIS]), "more than one ellipsis"),
        ("Reshape", {"newshape": [3, 4]}, ONE, "whose first size is -1"),
        ("Reshape", {"newshape": [-1, -1]}, ONE, "more than one -1"),
        ("Reshape", {"newshape": [None, -1, -1]}, ONE, "more than one -1"),
        ("Transpose", {"axes": None}, ONE, "write them all"),
        ("Transpose", {"axes": [1, 1]}, ONE, "expected every axis once"),
        ("Transpose", {"axes": [0, 1, 1]}, ONE, "expected each of 1 to 2 once"),
        ("Concatenate", {"axis": 0}, TWO, "after the batch axis"),
        ("Squeeze", {"axis": None}, ONE, "after the batch axis"),
        ("Split", {"indices_or_sections": [3, 1], "axis": 1}, ONE, "ascending"),
        ("Split", {"indices_or_sections": 0, "axis": 1}, ONE, "positive"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
