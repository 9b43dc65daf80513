"""Computed shapes: forms of sizes, the batch, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation

BATCH, TIME = (1, 0, 0), (1, 0, 1)
X = np.arange(24, dtype="float32").reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Shaped(sizes=[BATCH, TIME, (2,), (2,)]), (2, 3, 2, 2)),
        (layers.Shaped(sizes=[(1, 0, 0, 0, 1), (4,)]), (6, 4)),
        (layers.Shaped(sizes=[(3, 0, 0), (-1,)]), (6, 4)),
        (layers.Shaped(sizes=[(0, 0)]), (2, 3, 4)),
        (layers.Full(sizes=[BATCH, (5,)], value=2.0, number="int32"), (2, 5)),
        (layers.Tile(sizes=[(1,), (1, 0, 1), (1,)]), (2, 9, 4)),
        (layers.Counting(axis=1), (3,)),
        (layers.SizeOf(axis=-1), ()),
        (layers.Lifted(rank=5), (1, 1, 2, 3, 4)),
    ],
)
def test_shapes(layer, shape):
    assert run_operation(layer, X).shape == shape


@pytest.mark.parametrize("size", [(), (0,), (-2,), (1, 0), (1, -1, 0), (0, 0, 0)])
def test_sizes_that_have_no_form(size):
    with pytest.raises(ValueError, match="is no size"):
        layers.Shaped(sizes=[BATCH, size])


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Shaped(sizes=[(3,), BATCH]), [(None, 3)]),
        (layers.Full(sizes=[(2,), BATCH]), [(None, 3)]),
        (layers.Shaped(sizes=[BATCH, (5,)]), [(2, 3)]),
        (layers.Shaped(sizes=[BATCH, (1, 1, 0)]), [(2, 3)]),
        (layers.Shaped(sizes=[BATCH, (1, 0, 4)]), [(2, 3)]),
        (layers.Spread(sizes=[BATCH, (4,)]), [(2, 3)]),
        (layers.Tile(sizes=[(1,), (2,)]), [(2, 3, 4)]),
        (layers.SizeOf(axis=0), [(None, 3)]),
        (layers.SizeOf(axis=-2), [(None, 3)]),
        (layers.Counting(axis=3), [(None, 3)]),
        (layers.Lifted(rank=2), [(None, 3)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


def test_sizes_are_checked_when_it_runs():
    with pytest.raises(InputError, match="does not fit the shape"):
        layers.Shaped(sizes=[BATCH, (5,)]).forward({}, X)
    with pytest.raises(ValueError, match="expected 1 for the batch axis"):
        layers.Tile(sizes=[(2,), (1,)])
    with pytest.raises(ValueError, match="no size of a new"):
        layers.Full(sizes=[BATCH, (-1,)])


def test_it_runs_step_by_step_where_no_other_size_is_time():
    shapes = [(None, None, 4)]
    plain = layers.Shaped(sizes=[BATCH, TIME, (2,), (2,)])
    assert plain.over_time(*shapes) == "pointwise"
    assert layers.Shaped(sizes=[BATCH, TIME, TIME]).over_time(*shapes) == "across"
    assert layers.Shaped(sizes=[BATCH, (4,), TIME]).over_time(*shapes) == "across"


def test_no_rows_have_the_shape_of_some():
    layer = layers.Shaped(sizes=[(-1,), (2,), (2,)])
    assert layer.forward({}, np.zeros((0, 4), "float32")).shape == (0, 2, 2)
