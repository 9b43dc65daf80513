"""The small nodes of ``keras.ops``: options that are taken and refused."""

from __future__ import annotations

import pytest

from gru2np.ir import Call
from spellings import ONE, X, convert


@pytest.mark.parametrize(
    ("class_name", "options", "call", "attributes"),
    [
        ("ops.Any", {"axis": -1}, ONE, {"axes": (-1,), "keepdims": False}),
        ("ops.BroadcastTo", {"shape": [None, 4]}, ONE, {"shape": (None, 4)}),
        ("ops.Cast", {"dtype": "bfloat16"}, ONE, {"number": "bfloat16"}),
        ("ops.ExpandDims", {"axis": -1}, ONE, {"axis": -1}),
        ("ops.LogicalAnd", {}, Call((X, X)), {}),
        ("ops.LogicalOr", {"name": "or"}, Call((X, X)), {}),
        ("ops.OnesLike", {"dtype": None}, ONE, {"number": ""}),
        ("ops.ZerosLike", {"dtype": "bool"}, ONE, {"number": "bool"}),
    ],
)
def test_operations(class_name, options, call, attributes):
    layer = convert(class_name, options, call=call)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes


@pytest.mark.parametrize(
    ("class_name", "options", "call"),
    [
        ("ops.Any", {"axis": None}, ONE),
        ("ops.Cast", {}, ONE),
        ("ops.Cast", {"dtype": "complex64"}, ONE),
        ("ops.ExpandDims", {"axis": -1}, Call((X,), keywords={"axis": 1})),
        ("ops.LogicalOr", {}, ONE),
        ("ops.LogicalOr", {}, Call((X,), constants=((1, True),))),
    ],
)
def test_operations_with_other_arguments_are_refused(class_name, options, call):
    assert len(convert(class_name, options, call=call)) == 1
