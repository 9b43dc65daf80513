"""Reductions and matrix products of ``keras.ops``: what is taken and refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from spellings import (
    ONE,
    TWO,
    check_operation,
    check_refused_operation,
)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        (
            "Sum",
            {"axis": [1, 2], "keepdims": True},
            ONE,
            layers.Reduction(function="sum", axes=[1, 2], keepdims=True),
        ),
        ("Amax", {"axis": -1}, ONE, layers.Reduction(function="max", axes=[-1])),
        ("Matmul", {"transpose_b": True}, TWO, layers.Matmul(transpose_second=True)),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Sum", {"axis": None}, ONE, "after the batch axis"),
        ("Sum", {"axis": [1, 0]}, ONE, "after the batch axis"),
        ("Sum", {"axis": "1"}, ONE, "expected an axis"),
        ("Prod", {"axis": 1, "dtype": "int32"}, ONE, "leave it out"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
