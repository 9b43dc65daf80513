"""Tile, and nodes whose shapes a model computes: options taken and refused."""

from __future__ import annotations

import pytest

from gru2np.ir import ComputedSize
from gru2np_runtime import layers
from spellings import ONE, TWO, check_operation, check_refused_operation

BATCH, TIME = (1, 0, 0), (1, 0, 1)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        ("Tile", {"repeats": [1, 2, 3]}, ONE, layers.Tile(sizes=[(1,), (2,), (3,)])),
        (
            "Tile",
            {"repeats": [1, ComputedSize((1, 1, 1))]},
            TWO,
            layers.Tile(sizes=[(1,), (1, 1, 1)]),
        ),
        (
            "ComputedReshape",
            {"newshape": [ComputedSize(BATCH), None, 3]},
            ONE,
            layers.Shaped(sizes=[BATCH, (-1,), (3,)]),
        ),
        (
            "ComputedBroadcast",
            {"shape": [ComputedSize((0, 1))]},
            TWO,
            layers.Spread(sizes=[(0, 1)]),
        ),
        (
            "FullOf",
            {"shape": [ComputedSize(BATCH), 3], "value": 1.0, "dtype": None},
            ONE,
            layers.Full(sizes=[BATCH, (3,)], value=1.0),
        ),
        (
            "SizeOf",
            {"axis": -1, "out_type": "int64"},
            ONE,
            layers.SizeOf(axis=-1, number="int64"),
        ),
        ("Counting", {"axis": 1}, ONE, layers.Counting(axis=1)),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Tile", {"repeats": [2, 1]}, ONE, "along the batch axis"),
        ("Tile", {"repeats": [1, 0]}, ONE, "sizes of 1 or more"),
        ("Tile", {"repeats": [1, "x"]}, ONE, "sizes of 1 or more"),
        ("FullOf", {"shape": [3], "value": 1.0, "dtype": "float16"}, ONE, "half"),
        ("Counting", {}, ONE, "tf.shape(x)[axis]"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
