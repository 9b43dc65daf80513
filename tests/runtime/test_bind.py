"""A layer from bare arrays: build it, run it, step it."""

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from shared_files import MODELS

GRUSIM = MODELS / "grusim"
# z, r and h of a GRU(2) on one feature, written out by hand.
KERNEL = np.array([[0.5, -1.0, 0.25, 0.75, -0.5, 1.5]])
RECURRENT = np.array(
    [[0.1, 0.2, -0.3, 0.4, 0.5, -0.6], [-0.7, 0.8, 0.9, -1.0, 1.1, 0.2]]
)
BIAS = np.array([[0.3, -0.2, 0.1, 0.4, -0.5, 0.6], [0.2, 0.5, -0.4, 0.1, 0.3, -0.6]])


def gru_by_hand(x, h, *, reset_after):
    """One time step in scalars, as the paper writes it."""
    after = np.zeros(2)
    units = range(2)
    input_bias, recurrent_bias = BIAS if reset_after else (BIAS[0], np.zeros(6))

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    def column(j):
        return x * KERNEL[0, j] + input_bias[j]

    def state(j, of):
        return sum(of[k] * RECURRENT[k, j] for k in units) + recurrent_bias[j]

    reset = [sigmoid(column(2 + i) + state(2 + i, h)) for i in units]
    for i in units:
        z = sigmoid(column(i) + state(i, h))
        if reset_after:
            hh = np.tanh(column(4 + i) + reset[i] * state(4 + i, h))
        else:
            hh = np.tanh(column(4 + i) + state(4 + i, [reset[k] * h[k] for k in units]))
        after[i] = z * h[i] + (1 - z) * hh
    return after


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_of_bare_matrices_is_the_equation(reset_after):
    bias = BIAS if reset_after else BIAS[0]
    gru = layers.GRU(
        units=2, reset_after=reset_after, return_sequences=True, dtype="float64"
    ).bind(kernel=KERNEL, recurrent_kernel=RECURRENT, bias=bias)
    x = np.array([0.3, -1.2, 2.0, 0.1])
    h, expected = np.zeros(2), []
    for value in x:
        h = gru_by_hand(value, h, reset_after=reset_after)
        expected.append(h)
    y = gru(x[None, :, None])
    assert y.dtype == np.float64
    np.testing.assert_allclose(y[0], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "SimpleRNN"])
@pytest.mark.parametrize(("features", "units"), [(1, 1), (6, 6), (3, 17)])
def test_any_size_steps_like_its_sequence(kind, features, units):
    rng = np.random.default_rng(0)
    layer = getattr(layers, kind)(units=units, return_sequences=True)
    shapes = layer.weight_shapes((None, None, features))
    # A step adds in another order than a sequence, and large weights amplify that.
    bound = layer.bind(
        **{name: rng.normal(scale=0.3, size=s) for name, s in shapes.items()}
    )
    x = rng.normal(size=(4, 9, features)).astype(np.float32)
    y = bound(x)
    assert y.shape == (4, 9, units)
    assert y.dtype == np.float32
    state = bound.initial_state(batch_size=4)
    for t in range(9):
        y_t, state = bound.step(x[:, t], state)
        np.testing.assert_allclose(y_t, y[:, t], atol=1e-6)


def test_the_state_goes_out_and_comes_back():
    rng = np.random.default_rng(1)
    layer = layers.LSTM(units=3)
    shapes = layer.weight_shapes((None, None, 2))
    lstm = layer.bind(**{name: rng.normal(size=s) for name, s in shapes.items()})
    x = rng.normal(size=(1, 6, 2))
    state = lstm.initial_state()
    for t in range(3):
        _, state = lstm.step(x[:, t], state)
    kept, arrays = state.copy(), state.arrays()
    assert [array.shape for array in arrays["lstm"]] == [(1, 3), (1, 3)]
    ends = []
    for beginning in (state, kept, lstm.restore_state(arrays)):
        for t in range(3, 6):
            y, beginning = lstm.step(x[:, t], beginning)
        ends.append(y)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])
    np.testing.assert_allclose(ends[0], lstm(x), atol=1e-6)


WRONG = {
    "missing": ({"kernel": KERNEL}, "expected weights kernel, recurrent_kernel, bias"),
    "one bias row": ({"bias": BIAS[0]}, r"bias: expected shape \(2, 6\), got \(6,\)"),
    "gates": ({"kernel": KERNEL[:, :4]}, r"kernel: expected shape \(1, 6\)"),
    "unknown": ({"gamma": BIAS}, "got kernel, recurrent_kernel, bias, gamma"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_weights_are_refused(case):
    changed, message = WRONG[case]
    right = {"kernel": KERNEL, "recurrent_kernel": RECURRENT, "bias": BIAS}
    weights = changed if case == "missing" else {**right, **changed}
    with pytest.raises(InputError, match=message):
        layers.GRU(units=2).bind(**weights)


@pytest.mark.skipif(not GRUSIM.exists(), reason="the original matrices are not here")
def test_the_notebook_of_grusim_is_put_right():
    """GRUMatrices.npz gives Keras' numbers, and not those its notebook prints."""
    with np.load(GRUSIM / "GRUMatrices.npz") as data:
        weights = {name: data[name] for name in data.files}
    with np.load(GRUSIM / "oracle.npz") as data:
        oracle = {name: data[name] for name in data.files}
    gru = layers.GRU(units=6, return_sequences=True).bind(
        kernel=weights["wMatrix"],
        recurrent_kernel=weights["uMatrix"],
        bias=weights["biases"],
    )
    h, _ = gru.step(oracle["x_seed"][None], gru.initial_state())
    np.testing.assert_allclose(h[0, :3], [0.0174, -0.0189, 0.2161], atol=1e-4)
    np.testing.assert_allclose(h[0], oracle["h_keras_run"], atol=1e-6)
    assert np.abs(h[0] - oracle["h_printed_by_notebook"]).max() > 0.2
    y = gru(oracle["x_seq"])
    np.testing.assert_allclose(y, oracle["y_seq_keras"], atol=1e-6)
