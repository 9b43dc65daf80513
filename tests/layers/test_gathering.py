"""Nodes that pick elements by indices, and OneHot: options taken and refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from spellings import (
    ONE,
    TWO,
    check_operation,
    check_refused_operation,
    with_constant,
)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        (
            "Take",
            {"axis": 1},
            with_constant([[2, -1]]),
            layers.Take(axis=1, indices=[2, -1], indices_shape=[1, 2], from_end=True),
        ),
        (
            "Take",
            {"axis": 1},
            with_constant(3),
            layers.Take(axis=1, indices=[3], from_end=True),
        ),
        (
            "Gather",
            {"axis": 2, "batch_dims": 0},
            with_constant([1]),
            layers.Take(axis=2, indices=[1], indices_shape=[1]),
        ),
        ("Gather", {"axis": None, "batch_dims": 2}, TWO, layers.Pick(axis=2, shared=2)),
        ("TakeAlongAxis", {"axis": -1}, TWO, layers.TakeAlong(axis=-1)),
        ("OneHot", {"num_classes": 4, "dtype": None}, ONE, layers.OneHot(depth=4)),
        (
            "OneHot",
            {"num_classes": 4, "on_value": 2, "axis": 1, "dtype": "int32"},
            ONE,
            layers.OneHot(depth=4, on=2.0, axis=1, number="int32"),
        ),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Take", {"axis": 1}, TWO, "use take_along_axis"),
        ("Take", {"axis": None}, with_constant([1]), "samples are mixed"),
        ("Take", {"axis": 1}, with_constant([0.5]), "integer dtype"),
        ("Take", {"axis": 1}, ONE, "a tensor and indices"),
        ("Gather", {"axis": 1, "batch_dims": 0}, TWO, "use batch_dims=1"),
        ("Gather", {"axis": 1, "batch_dims": 1}, with_constant([1]), "Keras has it"),
        ("Gather", {"axis": 0, "batch_dims": 0}, with_constant([1]), "after the batch"),
        ("OneHot", {"num_classes": 0}, ONE, "at least 1"),
        ("OneHot", {"num_classes": 3, "sparse": True}, ONE, "sparse tensors"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
