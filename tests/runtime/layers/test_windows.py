"""Sliding windows: axes, memory, and pieces of any size."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import goldens
from gru2np_runtime import InputError, layers, load
from gru2np_runtime.layers import scores, windows
from gru2np_runtime.layers.windows import convolve
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import run_random, weights_of
from spatial_examples import FIRST, window

LAST = {"dtype": "float64", "data_format": "channels_last"}
WINDOW = {**window(2), **LAST}


@pytest.mark.parametrize(
    "layer",
    [
        layers.AdaptiveAveragePooling(output_size=(3, 4), **LAST),
        layers.AveragePooling(pool_size=(3, 2), strides=(2, 3), padding="same", **LAST),
        layers.Conv(filters=4, padding="same", **WINDOW),
        layers.ConvTranspose(filters=4, padding="same", **WINDOW),
        layers.Cropping(cropping=((1, 2), (0, 3)), **LAST),
        layers.DepthwiseConv(depth_multiplier=2, **WINDOW),
        layers.GlobalAveragePooling(keepdims=True, **LAST),
        layers.GlobalMaxPooling(keepdims=True, **LAST),
        layers.MaxPooling(pool_size=(3, 2), strides=(2, 3), padding="same", **LAST),
        layers.Resizing(sizes=(4, 9), interpolation="bicubic", **LAST),
        layers.SeparableConv(filters=4, depth_multiplier=2, **WINDOW),
        layers.UpSampling(size=(3, 2), **LAST),
        layers.ZeroPadding(padding=((1, 2), (0, 3)), **LAST),
    ],
    ids=lambda layer: layer.op,
)
def test_channels_first_is_a_transposition(layer):
    (x,), weights, y = run_random(layer, [(2, 7, 6, 3)])
    first = type(layer)(**{**layer.attributes(), **FIRST})
    swapped = np.moveaxis(x, -1, 1)
    assert first.weight_shapes(swapped.shape) == layer.weight_shapes(x.shape)
    (got,) = make_plan(first, weights).run([swapped], None)
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [layers.Conv, layers.ConvTranspose])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_axes_are_alike(kind, padding):
    """Two axes, one of them of size 1, are one; and in any order."""
    one = {"filters": 4, "padding": padding, "dtype": "float64"}
    sizes = {"kernel_size": (3,), "strides": (2,), "dilation": (1,)}
    (x,), weights, y = run_random(kind(**one, **sizes), [(2, 7, 3)])
    for axis in (0, 1):
        both = {
            name: (1, *size) if axis == 0 else (*size, 1)
            for name, size in sizes.items()
        }
        kernel = np.expand_dims(weights["kernel"], axis)
        plan = make_plan(kind(**one, **both), {**weights, "kernel": kernel})
        (got,) = plan.run([np.expand_dims(x, axis + 1)], None)
        np.testing.assert_allclose(got.squeeze(axis + 1), y, rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_copies_its_windows_once(groups):
    x = np.ones((2, 40, 50, 8), "float32")
    kernel = np.ones((3, 3, 8 // groups, 2), "float32")
    rows = 2 * 38 * 48 * 9 * 8 * 4
    tracemalloc.start()
    convolve(x, kernel, (1, 1), (1, 1), groups)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The rows, and three arrays of the size of the output.
    assert peak < rows + 3 * 2 * 38 * 48 * 2 * 4 + 50_000


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.AdaptiveMaxPooling(output_size=(2,)), (1, 0, 3), "at least 1 step"),
        (layers.ConvTranspose(filters=2, **window(1)), (1, 0, 3), "at least 1 step"),
        (layers.Resizing(sizes=(2, 2)), (1, 0, 3, 2), "at least 1 step"),
        (layers.DepthwiseConv(**window(2)), (1, 2, 3, 2), "does not fit"),
    ],
)
def test_inputs_without_a_window_are_refused(layer, shape, message):
    full = (shape[0], *(max(n, 4) for n in shape[1:-1]), shape[-1])
    weights = weights_of(layer, [full], np.random.default_rng(0))
    with pytest.raises(InputError, match=message):
        make_plan(layer, weights).run([np.zeros(shape, "float32")], None)


CUT = ("conv", "pool", "attention", "separable")
CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden) and any(word in golden.name for word in CUT)
]


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_tiny_pieces_equal_keras(golden, monkeypatch):
    for name in ("ROWS", "PIECE", "TAPS"):
        monkeypatch.setattr(windows, name, 1)
    monkeypatch.setattr(scores, "SCORES", 1)
    model = load(golden.bundle())
    for call in range(golden.calls):
        inputs = dict(zip(model.input_names, golden.arrays(call, "x")))
        outputs = goldens.flat(model.predict(inputs))
        for y, wanted in zip(outputs, golden.arrays(call, "y")):
            golden.close(y, wanted, f"call {call}")


@pytest.mark.parametrize("shape", [(1, 40, 50), (5, 9, 70), (3, 300, 6), (9, 700)])
def test_one_channel_is_one_of_two(shape):
    """Windows of one channel are copied another way, in pieces of every shape."""
    rng = np.random.default_rng(0)
    rank = len(shape) - 1
    x = rng.normal(size=(*shape, 2)).astype(np.float32)
    kernel = rng.normal(size=(*(3,) * rank, 2, 5)).astype(np.float32)
    kernel[..., 1, :] = 0
    wanted = convolve(x, kernel, (2,) * rank, (1,) * rank)
    one = convolve(x[..., :1], kernel[..., :1, :], (2,) * rank, (1,) * rank)
    np.testing.assert_allclose(one, wanted, 1e-5, 1e-5)


def test_there_are_cases():
    assert len(CASES) > 50
