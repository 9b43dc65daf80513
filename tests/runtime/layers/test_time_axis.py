"""Every layer that runs step by step gives what it gives for the whole sequence."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.layer import CARRIED, PER_STEP
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import (
    ROWS,
    VECTOR,
    WHOLE,
    examples,
    identity,
    run_random,
    sized,
)

EXAMPLES = [e for dtype in ("float32", "float64") for e in examples(dtype)]
# (layer, shapes, rule) of those that run step by step.
STEPWISE = [
    (layer, pattern, rule)
    for layer, pattern in EXAMPLES
    for rule in [layer.over_time(*sized(pattern, None, None))]
    if rule in (PER_STEP, CARRIED)
]


@pytest.mark.parametrize(
    ("layer", "pattern", "rule"), STEPWISE, ids=[identity(e[:2]) for e in STEPWISE]
)
def test_per_step_layers_run_step_by_step(layer, pattern, rule):
    """What is PER_STEP or CARRIED gives the same for one time step after the other."""
    shapes = sized(pattern, 2, 5)
    assert layer.over_time(*shapes) == rule
    inputs, weights, y = run_random(layer, shapes)
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
