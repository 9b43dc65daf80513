"""Nodes that turn round, shift, repeat, pad and move: options taken and refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from spellings import ONE, TWO, check_operation, check_refused_operation

FAR = 2**31


@pytest.mark.parametrize(
    ("class_name", "options", "expected"),
    [
        ("Flip", {"axis": [1, -1]}, layers.Flip(axes=[1, -1])),
        ("Fliplr", {}, layers.Flip(axes=[1])),
        ("Roll", {"shift": 2, "axis": [1, 2]}, layers.Roll(shifts=[2, 2], axes=[1, 2])),
        (
            "Repeat",
            {"repeats": [1, 3], "axis": 1},
            layers.Repeat(repeats=[1, 3], axis=1),
        ),
        (
            "Pad",
            {"pad_width": [[0, 0], [1, 2]], "mode": "REFLECT"},
            layers.Pad(pads=[(0, 0), (1, 2)], mode="reflect"),
        ),
        ("Tril", {"k": -1}, layers.Triangle(highest=-1)),
        ("Triu", {}, layers.Triangle(lowest=0)),
        (
            "BandPart",
            {"num_lower": 2, "num_upper": -1},
            layers.Triangle(lowest=-2, highest=FAR),
        ),
        ("Diff", {"n": 2, "axis": 1}, layers.Difference(n=2, axis=1)),
        (
            "Moveaxis",
            {"source": 1, "destination": -1},
            layers.Moved(sources=[1], targets=[-1]),
        ),
        (
            "Swapaxes",
            {"axis1": 1, "axis2": 2},
            layers.Moved(sources=[1, 2], targets=[2, 1]),
        ),
    ],
)
def test_spelling(class_name, options, expected):
    check_operation(class_name, options, ONE, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Flip", {"axis": None}, ONE, "over all axes"),
        ("Flip", {"axis": 0}, ONE, "after the batch axis"),
        ("Flip", {"axis": 1}, TWO, "expected 1 tensors"),
        ("Roll", {"shift": 1, "axis": None}, ONE, "over all axes"),
        ("Roll", {"shift": "1", "axis": 1}, ONE, "expected an integer"),
        ("Roll", {"shift": [1, 2, 3], "axis": [1, 2]}, ONE, "one shift for each"),
        ("Repeat", {"repeats": 2, "axis": None}, ONE, "samples are mixed"),
        ("Repeat", {"repeats": 0, "axis": 1}, ONE, "at least 1"),
        ("Pad", {"pad_width": [[1, 0], [0, 0]]}, ONE, "the batch axis is padded"),
        ("Pad", {"pad_width": 1}, ONE, "for each axis, the batch included"),
        ("Pad", {"pad_width": [[0, 0]], "mode": "wrap"}, ONE, "Keras has it"),
        ("Diff", {"n": 0}, ONE, "at least 1"),
        ("Moveaxis", {"source": 0, "destination": 1}, ONE, "after the batch axis"),
        ("Moveaxis", {"source": [1, 2], "destination": 1}, ONE, "target for each"),
        ("Swapaxes", {"axis1": 0, "axis2": 1}, ONE, "after the batch axis"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
