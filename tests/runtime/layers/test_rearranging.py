"""Operations that turn round, shift, repeat, pad and move: shapes and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation

X = np.arange(12, dtype="int32").reshape(2, 3, 2)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Flip(axes=[1, -1]), [(None, 5)]),
        (layers.Flip(axes=[0]), [(None, 5)]),
        (layers.Roll(shifts=[1], axes=[2]), [(None, 5)]),
        (layers.Repeat(repeats=[1, 2], axis=1), [(None, 5)]),
        (layers.Pad(pads=[(0, 0), (1, 1)]), [(None, 5, 2)]),
        (layers.Pad(pads=[(0, 0), (5, 0)], mode="reflect"), [(None, 5)]),
        (layers.Pad(pads=[(0, 0), (6, 0)], mode="symmetric"), [(None, 5)]),
        (layers.Triangle(), [(None,)]),
        (layers.Moved(sources=[1, -2], targets=[1, 2]), [(None, 5, 5)]),
        (layers.Moved(sources=[1], targets=[0]), [(None, 5)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (layers.Flip, {"axes": []}),
        (layers.Roll, {"shifts": [1], "axes": [1, 2]}),
        (layers.Repeat, {"repeats": [0], "axis": 1}),
        (layers.Pad, {"pads": [(0, 1), (0, 0)]}),
        (layers.Pad, {"pads": [(0, 0), (-1, 0)]}),
        (layers.Pad, {"pads": [(0, 0)], "mode": "edge"}),
        (layers.Difference, {"n": 0}),
        (layers.Moved, {"sources": [], "targets": []}),
    ],
)
def test_attributes_that_are_not_legal(kind, attributes):
    with pytest.raises(ValueError, match=r"\w"):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Flip(axes=[1]), X[:, ::-1]),
        (layers.Roll(shifts=[1], axes=[1]), X[:, [2, 0, 1]]),
        (layers.Repeat(repeats=[1, 0 + 2, 1], axis=1), X[:, [0, 1, 1, 2]]),
        (layers.Triangle(highest=0), X * np.tri(3, 2, dtype="int32")),
        (layers.Difference(axis=1), np.full((2, 2, 2), 2, "int32")),
        (layers.Moved(sources=[2], targets=[1]), X.transpose(0, 2, 1)),
        (layers.Moved(sources=[1, -2], targets=[-2, 1]), X),
    ],
)
def test_integers_stay_integers(layer, expected):
    y = run_operation(layer, X)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, expected)


def test_a_pad_of_integers_holds_zeros_alone():
    assert layers.Pad(pads=[(0, 0)]).output_dtype("int32") == "int32"
    with pytest.raises(ValueError, match="other than 0"):
        layers.Pad(pads=[(0, 0)], value=1.0).output_dtype("int32")


def test_lengths_are_checked_when_it_runs():
    layer = layers.Repeat(repeats=[1, 2], axis=1)
    with pytest.raises(InputError, match="an axis of size 3"):
        layer.forward({}, X)
