"""Shapes, dtypes and time: what layers say of themselves is what they do."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from gru2np_runtime.layer import CARRIED, PER_STEP
from gru2np_runtime.layers import FAMILY
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import (
    ROWS,
    VECTOR,
    WHOLE,
    examples,
    identity,
    inputs_of,
    sized,
    weights_of,
)

EXAMPLES = [e for dtype in ("float32", "float64") for e in examples(dtype)]
# (layer, shapes, rule) of those that run step by step.
STEPWISE = [
    (layer, pattern, rule)
    for layer, pattern in EXAMPLES
    for rule in [layer.over_time(*sized(pattern, None, None))]
    if rule in (PER_STEP, CARRIED)
]
RECURRENT = {
    op
    for op, path in FAMILY.items()
    if path.startswith(("cells.", "recurrent.", "wrappers."))
}


def run(layer, shapes, seed=0):
    rng = np.random.default_rng(seed)
    inputs = inputs_of(layer, shapes, rng)
    weights = weights_of(layer, shapes, rng)
    (y,) = make_plan(layer, weights).run(inputs, None)
    return inputs, weights, y


def test_every_layer_is_tested():
    assert {layer.op for layer, _ in EXAMPLES} | RECURRENT == set(FAMILY)


@pytest.mark.parametrize(("batch", "steps"), [(3, 5), (1, 4), (2, 1), (0, 4)])
@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_shape_and_dtype_are_as_told(example, batch, steps):
    layer, pattern = example
    shapes = sized(pattern, batch, steps)
    try:
        (told,) = layer.output_shapes(*shapes)
    except InputError:
        pytest.skip("too few steps")
    inputs, _, y = run(layer, shapes)
    assert y.shape == told
    assert y.dtype == layer.output_dtype(*(x.dtype.name for x in inputs))
    # With open sizes, what is told is the same or open.
    (open_shape,) = layer.output_shapes(*sized(pattern, None, None))
    assert len(open_shape) == len(told)
    assert all(open_shape[i] in (None, size) for i, size in enumerate(told))
    expected = layer.weight_shapes(*sized(pattern, None, None))
    assert list(expected) == list(layer.weight_shapes(*shapes))


@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_nothing_writes_into_its_inputs(example):
    layer, pattern = example
    shapes = sized(pattern, 2, 4)
    inputs, weights, _ = run(layer, shapes)
    again, same_weights, _ = run(layer, shapes)
    for i, array in enumerate(inputs):
        np.testing.assert_array_equal(array, again[i])
    for name, array in weights.items():
        np.testing.assert_array_equal(array, same_weights[name])


@pytest.mark.parametrize(
    ("layer", "pattern", "rule"), STEPWISE, ids=[identity(e[:2]) for e in STEPWISE]
)
def test_pointwise_is_step_by_step(layer, pattern, rule):
    """What is PER_STEP or CARRIED gives the same for one time step after the other."""
    shapes = sized(pattern, 2, 5)
    assert layer.over_time(*shapes) == rule
    inputs, weights, y = run(layer, shapes)
    plan = make_plan(layer, weights)
    carry = plan.begin(2, ()) if rule == CARRIED else None
    for t in range(5):
        longest = max(x.ndim for x in inputs)
        step = [
            x[:, t : t + 1] if x.ndim >= min(2, longest) and x.shape[1] == 5 else x
            for x in inputs
        ]
        if carry is None:
            (got,) = plan.run(step, None)
        else:
            (got,), carry = plan.advance(step[0], None, carry)
        if getattr(layer, "return_sequences", True):
            np.testing.assert_allclose(got[:, 0], y[:, t], rtol=1e-5, atol=1e-6)
    if not getattr(layer, "return_sequences", True):
        np.testing.assert_allclose(got, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shapes", "rule"),
    [
        (layers.Dense(units=2), [(None, 4)], "across"),
        (layers.Dense(units=2), [(None, None, 4)], "pointwise"),
        (layers.Activation(function="softmax"), [(None, None)], "across"),
        (layers.Activation(function="softmax"), [(None, None, 3)], "pointwise"),
        (layers.BatchNormalization(), [(None, None)], "across"),
        (layers.LayerNormalization(axes=(1, 2)), [(None, 5, 4)], "across"),
        (layers.PReLU(), [(None, 5, 4)], "across"),
        (layers.Concatenate(axis=-2), [(None, 5, 4)] * 2, "across"),
        # A context beside every time step, and a sequence that becomes features.
        (layers.Add(), [(None, None, 4), (None, 4)], "pointwise"),
        (layers.Add(), [(None, None, 4), (None, None)], "across"),
        (layers.Add(), [(None, 4, 4), (None, 4)], "across"),
        (layers.LogicalOr(), [(None, None), (None, None, 4)], "across"),
        (layers.Binary(function="maximum", **ROWS), [(None, 5, 4)], "across"),
        (layers.Binary(function="maximum", **VECTOR), [(None, 5, 4)], "pointwise"),
        (layers.GetItem(items=[WHOLE, (-1,)]), [(None, None, 4)], "last"),
        (layers.GetItem(items=[WHOLE, (-2,)]), [(None, None, 4)], "across"),
        (layers.GetItem(items=[WHOLE, (), WHOLE]), [(None, None, 4)], "across"),
        (layers.GetItem(items=[(None,), (2,)]), [(None, None, 4)], "pointwise"),
        (layers.Reduction(function="sum", axes=[-2]), [(None, None, 4)], "across"),
        (layers.Stack(axis=2), [(None, None, 4)] * 2, "pointwise"),
        (layers.Matmul(), [(None, 4, 4)] * 2, "across"),
        (layers.ExpandDims(axis=1), [(None, 4)], "across"),
        (layers.BroadcastTo(shape=(None, 5, 4)), [(None, None, 1)], "across"),
    ],
)
def test_over_time(layer, shapes, rule):
    assert layer.over_time(*shapes) == rule


def test_convolution_in_channels_first_is_a_transposition():
    options = {"filters": 4, "kernel_size": (3,), "strides": (2,), "dilation": (1,)}
    for padding in ("valid", "same", "causal"):
        last = layers.Conv(**options, padding=padding)
        first = layers.Conv(**options, padding=padding, data_format="channels_first")
        (x,), weights, y = run(last, [(2, 7, 3)])
        (swapped,) = make_plan(first, weights).run([x.swapaxes(1, 2)], None)
        np.testing.assert_allclose(swapped, y.swapaxes(1, 2), rtol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 2), (4, 3, 1)])
def test_convolution_is_its_sum(padding, size, stride, dilation):
    layer = layers.Conv(
        filters=4,
        kernel_size=(size,),
        strides=(stride,),
        dilation=(dilation,),
        padding=padding,
        groups=2,
        dtype="float64",
    )
    (x,), weights, y = run(layer, [(2, 8, 6)])
    reach = (size - 1) * dilation + 1
    total = {
        "valid": 0,
        "same": max((-(-8 // stride) - 1) * stride + reach - 8, 0),
        "causal": reach - 1,
    }[padding]
    before = total // 2 if padding == "same" else total
    padded = np.pad(x, [(0, 0), (before, total - before), (0, 0)])
    for t in range(y.shape[1]):
        for filter_ in range(4):
            channels = slice(0, 3) if filter_ < 2 else slice(3, 6)
            expected = weights["bias"][filter_]
            for tap in range(size):
                steps = padded[:, t * stride + tap * dilation, channels]
                expected = expected + steps @ weights["kernel"][tap, :, filter_]
            np.testing.assert_allclose(y[:, t, filter_], expected, rtol=1e-12)


def test_pooling_does_not_count_its_padding():
    x = np.array([-1.0, -2.0, -6.0])[None, :, None]
    options = {"pool_size": (2,), "strides": (2,), "padding": "same"}
    (largest,) = make_plan(layers.MaxPooling(**options), {}).run([x], None)
    (mean,) = make_plan(layers.AveragePooling(**options), {}).run([x], None)
    np.testing.assert_array_equal(largest.ravel(), [-1, -6])
    np.testing.assert_array_equal(mean.ravel(), [-1.5, -6])


def test_masked_mean():
    x = np.arange(12.0).reshape(2, 3, 2)
    mask = np.array([[True, False, True], [False, False, False]])
    layer = layers.GlobalAveragePooling(dtype="float64")
    (y,) = make_plan(layer, {}).run([x], mask)
    np.testing.assert_array_equal(y, [[2, 3], [np.nan, np.nan]])


def test_masking_zeroes_what_the_next_layer_skips():
    x = np.array([[[0.1, 0.1], [0.1, 0.2], [np.nan, 0.1]]], "float32")
    (y,) = make_plan(layers.Masking(mask_value=0.1), {}).run([x], None)
    expected = np.array([[[0, 0], [0.1, 0.2], [np.nan, 0.1]]], "float32")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("ids", [[9], [-1], [8.5, 9.2], [np.nan], [np.inf], [-1.0]])
def test_embedding_names_the_id_that_it_has_not(ids):
    layer = layers.Embedding(input_dim=9, output_dim=2)
    plan = make_plan(layer, {"embeddings": np.zeros((9, 2), "float32")})
    with pytest.raises(InputError, match=r"ids from 0 to 8, got (9|-1|nan|inf)"):
        plan.run([np.array([ids])], None)


def test_embedding_cuts_ids_off():
    table = np.arange(18.0).reshape(9, 2)
    plan = make_plan(layers.Embedding(input_dim=9, output_dim=2), {"embeddings": table})
    (y,) = plan.run([np.array([[8.9, -0.9, 1]])], None)
    np.testing.assert_array_equal(y[0], table[[8, 0, 1]])


@pytest.mark.parametrize(
    ("layer", "arrays"),
    [
        (layers.Conv(filters=1, kernel_size=(4,), strides=(1,), dilation=(1,)), [3]),
        (layers.MaxPooling(pool_size=(4,), strides=(1,)), [3]),
        (layers.Cropping(cropping=[(1, 2)]), [3]),
        (layers.Reshape(target_shape=(5, -1)), [3]),
        (layers.Add(), [3, 4]),
        (layers.Concatenate(), [3, 4]),
        (layers.Dot(axes=(1, 1)), [3, 4]),
        (layers.LogicalAnd(), [3, 4]),
    ],
    ids=lambda value: getattr(value, "op", ""),
)
def test_lengths_that_do_not_fit_are_input_errors(layer, arrays):
    inputs = [np.zeros((2, steps, 2), "float32") for steps in arrays]
    weights = {"kernel": np.zeros((4, 2, 1)), "bias": np.zeros(1)}
    with pytest.raises(InputError):
        make_plan(layer, weights).run(inputs, None)
    with pytest.raises(ValueError, match=r"."):
        layer.output_shapes(*(x.shape for x in inputs))
