"""Where the samples of a batch are: what keeps them apart, and what mixes them."""

from __future__ import annotations

import pytest

import gru2np
from gru2np.graph.flatten import build
from gru2np.graph.rows import SAMPLES, MixesSamplesError, Rows, rows_after
from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
from gru2np.layers.custom import Specs
from gru2np_runtime import layers
from spellings import KERAS_3

BATCH, TIME = (1, 0, 0), (1, 0, 1)
SECOND = Rows(1, 1)


def after(layer, *given, shapes):
    return rows_after(layer, given, shapes, layer.output_shapes(*shapes))


@pytest.mark.parametrize(
    ("layer", "given", "shapes", "expected"),
    [
        (layers.Turned(order=[1, 0, 2]), [SAMPLES], [(None, 5, 4)], SECOND),
        (layers.Turned(order=[1, 0, 2]), [SECOND], [(5, None, 4)], SAMPLES),
        (layers.Dense(units=3), [SECOND], [(5, None, 4)], SECOND),
        (layers.FirstItem(index=-1), [SECOND], [(5, None, 4)], SAMPLES),
        (layers.Unary(function="exp"), [SECOND], [(5, None, 4)], SECOND),
        (layers.GRU(units=3, time_major=True), [SECOND], [(5, None, 4)], SAMPLES),
        (
            layers.GRU(units=3, time_major=True, return_sequences=True),
            [SECOND],
            [(5, None, 4)],
            SECOND,
        ),
        (layers.Shaped(sizes=[(-1,), (4,)]), [SAMPLES], [(None, 5, 4)], Rows(0, 5)),
        (
            layers.Shaped(sizes=[(-1,), (4,)]),
            [SAMPLES],
            [(None, None, 4)],
            Rows(0, None),
        ),
        (
            layers.Shaped(sizes=[(-1,), (5,), (4,)]),
            [Rows(0, 5)],
            [(None, 4)],
            SAMPLES,
        ),
        (
            layers.Shaped(sizes=[(1, 1, 0), (5,), (4,)]),
            [Rows(0, None), SAMPLES],
            [(None, 4), (None, 5)],
            SAMPLES,
        ),
        (
            layers.Shaped(sizes=[(1, 0, 0, 0, 1), (4,)]),
            [SAMPLES],
            [(None, 5, 4)],
            Rows(0, 5),
        ),
        (layers.SizeOf(axis=1), [SAMPLES], [(None, 5)], None),
        (layers.Full(sizes=[TIME, TIME]), [SAMPLES], [(None, 5)], None),
        (layers.Full(sizes=[BATCH, TIME]), [SAMPLES], [(None, 5)], SAMPLES),
        (layers.Unary(function="sqrt"), [None], [()], None),
        (
            layers.Binary(function="add"),
            [SAMPLES, None],
            [(None, 5), (1, 5)],
            SAMPLES,
        ),
    ],
)
def test_samples_stay_apart(layer, given, shapes, expected):
    assert after(layer, *given, shapes=shapes) == expected


@pytest.mark.parametrize(
    ("layer", "given", "shapes", "message"),
    [
        (layers.GRU(units=3), [SECOND], [(5, None, 4)], "transpose it back"),
        (
            layers.Activated(function={"function": "softmax", "axis": 1}),
            [SECOND],
            [(5, None, 4)],
            "transpose it back",
        ),
        (layers.Dense(units=3), [Rows(2, 1)], [(5, 4, 3)], "transpose it back"),
        (
            layers.Binary(function="add"),
            [SAMPLES, SECOND],
            [(None, 5), (5, None)],
            "along different axes",
        ),
        (
            layers.Joined(axis=1),
            [SAMPLES, None],
            [(None, 5), (1, 5)],
            "the same for all samples",
        ),
        (
            layers.Binary(function="add"),
            [SAMPLES, None],
            [(None, 5), (5, 5)],
            "the same for all samples",
        ),
        (
            layers.Shaped(sizes=[(-1,), (3,)]),
            [SAMPLES],
            [(None, 5, 2)],
            "give tf.shape(x)[0]",
        ),
        (
            layers.Shaped(sizes=[(-1,), (5,), (4,)]),
            [Rows(0, None)],
            [(None, 4)],
            "give tf.shape(x)[0]",
        ),
        (
            layers.Shaped(sizes=[BATCH, (5,), (4,)]),
            [Rows(0, 5)],
            [(None, 20)],
            "for that of the samples",
        ),
        (layers.Shaped(sizes=[BATCH, (-1,)]), [SECOND], [(5, None)], "transpose"),
        (layers.FirstItem(index=0), [SAMPLES], [(None, 4)], "leaves the batch whole"),
        (layers.Turned(order=[1, 0]), [Rows(0, 5)], [(None, 4)], "were folded"),
        (
            layers.GRU(units=2, stateful=True),
            [Rows(0, 5)],
            [(20, 3, 4)],
            "is stateful",
        ),
        (layers.SizeOf(axis=1), [SECOND], [(5, None)], "number of samples"),
    ],
)
def test_what_mixes_samples_is_refused(layer, given, shapes, message):
    with pytest.raises(MixesSamplesError) as found:
        after(layer, *given, shapes=shapes)
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("newshape", "held", "kind"),
    [
        # A free size may be the one with which the batch stays: the runtime checks it.
        ([-1, 24], [None, 12], layers.Reshaped),
        ([-1, 12], [None, 12], layers.Shaped),
        ([-1, 12], [5, 12], layers.Shaped),
        ([-1, 60], [5, 12], layers.Reshaped),
        ([None, 5, -1], [5, 12], layers.Reshaped),
    ],
)
def test_a_reshape_folds_what_it_must(newshape, held, kind):
    x = KerasLayer("InputLayer", "x", {"batch_shape": [None, *held]}, training={})
    options = {"newshape": newshape}
    calls = (Call((TensorRef("x", 0, 0),)),)
    y = KerasLayer("ops.Reshape", "y", options, calls, training={})
    refs = ((TensorRef("x", 0, 0),), (TensorRef("y", 0, 0),))
    model = KerasModel("model", (x, y), *refs, sequential=False, config={})
    built = build(model, KERAS_3, Specs())
    assert type(built.graph.layers["y"]) is kind


def test_an_output_that_is_turned_is_refused():
    x = KerasLayer("InputLayer", "x", {"batch_shape": [None, 5]}, training={})
    calls = (Call((TensorRef("x", 0, 0),)),)
    y = KerasLayer("ops.Transpose", "y", {"axes": [1, 0]}, calls, training={})
    refs = ((TensorRef("x", 0, 0),), (TensorRef("y", 0, 0),))
    model = KerasModel("model", (x, y), *refs, sequential=False, config={})
    with pytest.raises(gru2np.UnsupportedModelError, match="transpose it back"):
        build(model, KERAS_3, Specs())
