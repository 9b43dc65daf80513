"""ConvLSTM: masks, states and sizes."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import run_random, weights_of
from spatial_examples import FIRST, window


def test_conv_lstm_in_channels_first_is_a_transposition():
    options = {"filters": 4, "return_sequences": True, "dtype": "float64", **window(2)}
    (x,), weights, y = run_random(layers.ConvLSTM(**options), [(2, 3, 7, 6, 5)])
    first = layers.ConvLSTM(**options, **FIRST)
    (got,) = make_plan(first, weights).run([np.moveaxis(x, -1, 2)], None)
    np.testing.assert_allclose(np.moveaxis(got, 2, -1), y, rtol=1e-12, atol=1e-12)


def test_conv_lstm_repeats_its_output_at_masked_steps():
    layer = layers.ConvLSTM(filters=2, return_sequences=True, **window(1))
    mask = np.array([[False, True, False], [True, False, False]])
    shapes = [(2, 3, 6, 4)]
    _, _, y = run_random(layer, shapes, mask=mask)
    assert not y[0, 0].any()
    np.testing.assert_array_equal(y[0, 1], y[0, 2])
    np.testing.assert_array_equal(y[1, 0], y[1, 2])
    for rule in ("zero", "zero_in_input_order"):
        zero = type(layer)(**{**layer.attributes(), "masked_output": rule})
        _, _, zeroed = run_random(zero, shapes, mask=mask)
        np.testing.assert_array_equal(zeroed, np.where(mask[..., None, None], y, 0))
    with pytest.raises(InputError, match=r"expected a mask \(batch, time\)"):
        run_random(layer, shapes, mask=np.ones((2, 3, 6), bool))


def test_conv_lstm_without_steps_and_rows():
    layer = layers.ConvLSTM(filters=2, return_state=True, **window(1))
    weights = weights_of(layer, [(2, 3, 6, 4)], np.random.default_rng(0))
    plan = make_plan(layer, weights)
    for batch, time in ((2, 0), (0, 3)):
        outputs = plan.run([np.zeros((batch, time, 6, 4), "float32")], None)
        assert [y.shape for y in outputs] == [(batch, 2, 2)] * 3


def test_conv_lstm_refuses_states_of_another_size():
    layer = layers.ConvLSTM(filters=2, **window(1))
    with pytest.raises(ValueError, match="expected initial states h and c"):
        layer.output_shapes((None, 3, 6, 4), (None, 3, 2), (None, 3, 2))
    weights = weights_of(layer, [(2, 3, 6, 4)], np.random.default_rng(0))
    states = [np.zeros((2, 3, 2), "float32")] * 2
    with pytest.raises(InputError, match="expected states of shape"):
        make_plan(layer, weights).run(
            [np.zeros((2, 3, 6, 4), "float32"), *states], None
        )


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.ConvLSTM, {"filters": 0, **window(2)}, "filters is 0"),
        (layers.ConvLSTM, {"filters": 2, **window(2, strides=[1])}, "in length"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)
