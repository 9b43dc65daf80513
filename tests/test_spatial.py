"""Layers over spatial axes: their sums, their memory, their steps, their refusals."""

from __future__ import annotations

import io
import tracemalloc
from itertools import product

import numpy as np
import pytest

import gru2np
from goldens import FIXTURES, Golden
from gru2np_runtime import InputError, layers, load
from gru2np_runtime.data import Structure
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.layers.resampling import INTERPOLATIONS, resampled
from gru2np_runtime.layers.windows import convolve
from gru2np_runtime.model import Model
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import inputs_of, weights_of
from meanings import meaning_of
from spatial_examples import FIRST, window
from test_layer_spellings import KERAS_2, convert

KERAS_3 = meaning_of("keras-3", "3.15.1")
THEANO = meaning_of("keras-2", "2.1.4", "theano")


def run(layer, shapes, seed=0, mask=None):
    rng = np.random.default_rng(seed)
    inputs = inputs_of(layer, shapes, rng)
    weights = weights_of(layer, shapes, rng)
    return inputs, weights, make_plan(layer, weights).run(inputs, mask)[0]


def model_of(case: str):
    golden = Golden(FIXTURES / case)
    path, weights = golden.files()
    out = io.BytesIO()
    gru2np.export(path, out, weights=weights)
    return golden, load(out.getvalue())


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
    (x,), weights, y = run(layer, [(2, 7, 6, 3)])
    first = type(layer)(**{**layer.attributes(), **FIRST})
    swapped = np.moveaxis(x, -1, 1)
    assert first.weight_shapes(swapped.shape) == layer.weight_shapes(x.shape)
    (got,) = make_plan(first, weights).run([swapped], None)
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), y, rtol=1e-12, atol=1e-12)


def test_conv_lstm_in_channels_first_is_a_transposition():
    options = {"filters": 4, "return_sequences": True, "dtype": "float64", **window(2)}
    (x,), weights, y = run(layers.ConvLSTM(**options), [(2, 3, 7, 6, 5)])
    first = layers.ConvLSTM(**options, **FIRST)
    (got,) = make_plan(first, weights).run([np.moveaxis(x, -1, 2)], None)
    np.testing.assert_allclose(np.moveaxis(got, 2, -1), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [layers.Conv, layers.ConvTranspose])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_axes_are_alike(kind, padding):
    """Two axes, one of them of size 1, are one; and in any order."""
    one = {"filters": 4, "padding": padding, "dtype": "float64"}
    sizes = {"kernel_size": (3,), "strides": (2,), "dilation": (1,)}
    (x,), weights, y = run(kind(**one, **sizes), [(2, 7, 3)])
    for axis in (0, 1):
        both = {
            name: (1, *size) if axis == 0 else (*size, 1)
            for name, size in sizes.items()
        }
        kernel = np.expand_dims(weights["kernel"], axis)
        plan = make_plan(kind(**one, **both), {**weights, "kernel": kernel})
        (got,) = plan.run([np.expand_dims(x, axis + 1)], None)
        np.testing.assert_allclose(got.squeeze(axis + 1), y, rtol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 2), (4, 3, 1), (1, 2, 1), (5, 2, 1)]
)
def test_transposed_convolution_is_the_adjoint(padding, size, stride, dilation):
    sizes = {
        "kernel_size": (size, 2),
        "strides": (stride, 1),
        "dilation": (dilation, 1),
        "padding": padding,
        "use_bias": False,
        "dtype": "float64",
    }
    (x,), weights, y = run(layers.ConvTranspose(filters=4, **sizes), [(2, 5, 6, 3)])
    other = np.random.default_rng(1).normal(size=y.shape)
    conv = make_plan(layers.Conv(filters=3, **sizes), weights)
    (back,) = conv.run([other], None)
    np.testing.assert_allclose((back * x).sum(), (other * y).sum(), rtol=1e-10)


def test_depthwise_convolution_is_its_sum():
    layer = layers.DepthwiseConv(
        kernel_size=(2, 3),
        strides=(1, 2),
        dilation=(2, 1),
        depth_multiplier=2,
        dtype="float64",
    )
    (x,), weights, y = run(layer, [(2, 6, 7, 3)])
    for i, j in product(range(y.shape[1]), range(y.shape[2])):
        seen = x[:, i : i + 3 : 2, 2 * j : 2 * j + 3]
        expected = np.einsum("bklc,klcm->bcm", seen, weights["depthwise_kernel"])
        expected = expected.reshape(2, 6) + weights["bias"]
        np.testing.assert_allclose(y[:, i, j], expected, rtol=1e-12)


@pytest.mark.parametrize(("steps", "count"), [(7, 3), (7, 7), (3, 7), (6, 3), (5, 1)])
def test_adaptive_pooling_sees_its_windows_alone(steps, count):
    x = np.random.default_rng(0).normal(size=(2, steps, 3))
    x[0, -1] = np.nan
    for kind, reduce in (
        (layers.AdaptiveAveragePooling, np.mean),
        (layers.AdaptiveMaxPooling, np.max),
    ):
        layer = kind(output_size=(count,), dtype="float64")
        (y,) = make_plan(layer, {}).run([x], None)
        for i in range(count):
            seen = x[:, i * steps // count : -(-(i + 1) * steps // count)]
            np.testing.assert_allclose(y[:, i], reduce(seen, axis=1), rtol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("steps", "size"), [(5, 10), (7, 4), (6, 6), (1, 3)])
def test_resampling_keeps_what_is_constant(interpolation, steps, size):
    y = resampled(np.full((2, steps, 3), 0.5, "float32"), 1, size, interpolation)
    assert y.shape == (2, size, 3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, 0.5, rtol=1e-6)


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


def test_conv_lstm_runs_step_by_step():
    golden, model = model_of("keras-3.15/conv_lstm_stateful")
    (x,), (expected,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    state = model.initial_state(batch_size=2)
    for t in range(x.shape[1]):
        y, state = model.step(x[:, t], state)
        golden.close(y, expected[:, t], f"step {t}")
    ((h, c),) = state.arrays().values()
    golden.close(h, expected[:, -1], "h")
    assert c.shape == h.shape == expected.shape[:1] + expected.shape[2:]


def test_an_image_beside_a_sequence_stays_whole():
    """The rows of an image are no time steps; a GRU starts from what is seen there."""
    named = {
        "conv": layers.Conv(filters=3, **window(2)),
        "pooling": layers.AdaptiveMaxPooling(output_size=(1, 2)),
        "flat": layers.Flatten(),
        "gru": layers.GRU(units=6, return_sequences=True),
    }
    image, words = (None, 7, 6, 2), (None, None, 4)
    graph = Graph(
        [Port("image", image, "float32"), Port("words", words, "float32")],
        [
            Node("conv", "conv", [("image", 0)]),
            Node("pooling", "pooling", [("conv", 0)]),
            Node("flat", "flat", [("pooling", 0)]),
            Node("gru", "gru", [("words", 0), ("flat", 0)]),
        ],
        [Port("y", (None, None, 6), "float32", ("gru", 0))],
        named,
    )
    rng = np.random.default_rng(0)
    weights = {
        f"{name}/{key}": value
        for name, shape in (("conv", image), ("gru", words))
        for key, value in weights_of(named[name], [shape], rng).items()
    }
    model = Model(graph, weights, name="caption", outputs=Structure("one", ["y"]))
    seen, said = rng.normal(size=(2, 7, 6, 2)), rng.normal(size=(2, 5, 4))
    y = model.predict([seen, said])
    state = model.initial_state(batch_size=2)
    for t in range(5):
        step, state = model.step([seen, said[:, t]], state)
        np.testing.assert_allclose(step, y[:, t], rtol=1e-5, atol=1e-6)


def test_conv_lstm_repeats_its_output_at_masked_steps():
    layer = layers.ConvLSTM(filters=2, return_sequences=True, **window(1))
    mask = np.array([[False, True, False], [True, False, False]])
    shapes = [(2, 3, 6, 4)]
    _, _, y = run(layer, shapes, mask=mask)
    assert not y[0, 0].any()
    np.testing.assert_array_equal(y[0, 1], y[0, 2])
    np.testing.assert_array_equal(y[1, 0], y[1, 2])
    for rule in ("zero", "zero_in_input_order"):
        zero = type(layer)(**{**layer.attributes(), "masked_output": rule})
        _, _, zeroed = run(zero, shapes, mask=mask)
        np.testing.assert_array_equal(zeroed, np.where(mask[..., None, None], y, 0))
    with pytest.raises(InputError, match=r"expected a mask \(batch, time\)"):
        run(layer, shapes, mask=np.ones((2, 3, 6), bool))


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


TWO = {"kernel_size": [3, 2]}
FILTERS = {"filters": 4, **TWO}
SPARSE = {"padding": "same", "strides": [2, 3, 1]}


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Conv2D", FILTERS, {"kernel_size": (3, 2), "strides": (1, 1)}),
        ("Conv3D", {"filters": 4, "kernel_size": 2}, {"kernel_size": (2, 2, 2)}),
        ("Conv2DTranspose", FILTERS, {"output_padding": (), "dilation": (1, 1)}),
        (
            "Conv2DTranspose",
            {**FILTERS, "strides": 2, "output_padding": 1},
            {"output_padding": (1, 1), "strides": (2, 2)},
        ),
        (
            "DepthwiseConv2D",
            {**TWO, "depth_multiplier": 2, "depthwise_initializer": {}},
            {"depth_multiplier": 2},
        ),
        ("SeparableConv2D", {**FILTERS, "pointwise_constraint": None}, {"filters": 4}),
        ("MaxPooling2D", {"pool_size": [2, 3], "strides": None}, {"strides": (2, 3)}),
        ("AdaptiveMaxPooling2D", {"output_size": [2, 3]}, {"output_size": (2, 3)}),
        ("ZeroPadding2D", {"padding": 2}, {"padding": ((2, 2), (2, 2))}),
        ("ZeroPadding2D", {"padding": [1, 2]}, {"padding": ((1, 1), (2, 2))}),
        ("Cropping2D", {"cropping": [[1, 0], [0, 2]]}, {"cropping": ((1, 0), (0, 2))}),
        ("UpSampling2D", {"size": 2}, {"size": (2, 2)}),
        ("UpSampling2D", {"size": [3, 2], "interpolation": "area"}, {"size": (3, 2)}),
        (
            "UpSampling2D",
            {"size": [4, 2], "interpolation": "bicubic"},
            {"factors": (4, 2), "interpolation": "bicubic"},
        ),
        ("Resizing", {"height": 3, "width": 4, "fill_value": 1.0}, {"sizes": (3, 4)}),
        ("LocallyConnected2D", {**FILTERS, "implementation": 2}, {"dense": True}),
        (
            "ConvLSTM2D",
            {**FILTERS, "recurrent_activation": "hard_sigmoid"},
            {"recurrent_activation": {"function": "hard_sigmoid", "slope": 0.2}},
        ),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    found = convert(class_name, {"name": "layer", **options}).attributes()
    assert {name: found[name] for name in attributes} == attributes


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("Conv2D", {**FILTERS, "padding": "causal"}, None, "expected one spatial axis"),
        ("Conv2D", {"filters": 4, "kernel_size": [3]}, "kernel_size", "expected 2"),
        ("Conv2DTranspose", {**FILTERS, "groups": 2}, "groups", "no transposed"),
        ("Conv3D", {**SPARSE, "filters": 4, "kernel_size": 1}, "strides", "three axes"),
        ("MaxPooling3D", {**SPARSE, "pool_size": [2, 1, 2]}, "strides", "three axes"),
        (
            "ConvLSTM3D",
            {**SPARSE, "filters": 4, "kernel_size": 1},
            "strides",
            "three axes",
        ),
        ("Conv2DTranspose", {**FILTERS, "output_padding": 1}, None, "expected 0 to 0"),
        ("SeparableConv2D", {**FILTERS, "groups": 2}, "groups", "already a group"),
        ("DepthwiseConv2D", {**TWO, "depth_multiplier": 0}, "depth_multiplier", "at"),
        ("AdaptiveMaxPooling2D", {"output_size": [2]}, "output_size", "expected 2"),
        ("Cropping2D", {"cropping": [[1, 2], 3]}, "cropping", "expected 2 pairs"),
        ("Cropping2D", {"cropping": [[1, 2], [True, 0]]}, "cropping", "integers"),
        ("ZeroPadding3D", {"padding": [[1, 2]]}, "padding", "expected 3 pairs"),
        (
            "UpSampling2D",
            {"size": 3, "interpolation": "bicubic"},
            "size",
            "differs between backends",
        ),
        ("UpSampling2D", {"interpolation": "gaussian"}, "interpolation", "one of"),
        (
            "UpSampling2D",
            {"interpolation": "bilinear", "dtype": "float64"},
            "interpolation",
            "in float32",
        ),
        (
            "Resizing",
            {"height": 3, "width": 4, "antialias": True},
            "antialias",
            "not supported",
        ),
        (
            "Resizing",
            {"height": 3, "width": 4, "interpolation": "bicubic"},
            "interpolation",
            "one of",
        ),
        (
            "LocallyConnected1D",
            {"filters": 2, "kernel_size": 3, "implementation": 3},
            "implementation",
            "sparse matrix",
        ),
        (
            "LocallyConnected1D",
            {"filters": 2, "kernel_size": 3, "padding": "same"},
            None,
            "needs dense=true",
        ),
        ("ConvLSTM2D", {**FILTERS, "time_major": True}, None, "time_major"),
        ("ConvLSTM2D", {**FILTERS, "activation": "glu"}, None, ""),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    meaning = KERAS_3 if options.get("activation") == "glu" else KERAS_2
    made = convert(class_name, {"name": "layer", **options}, meaning=meaning)
    if class_name == "ConvLSTM2D" and options.get("activation") == "glu":
        with pytest.raises(ValueError, match="changes the shape of a gate"):
            made.output_shapes((None, 3, 7, 6, 2))
        return
    (problem,) = made
    assert problem.option == option
    assert reason in problem.reason


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("Conv2DTranspose", FILTERS),
        ("DepthwiseConv2D", TWO),
        ("SeparableConv2D", FILTERS),
    ],
)
def test_what_theano_does_is_refused(class_name, options):
    (problem,) = convert(class_name, {"name": "layer", **options}, meaning=THEANO)
    assert "of Theano are not supported" in problem.reason


def test_theano_pads_half_a_window():
    options = {"padding": "same", **FILTERS}
    conv = convert("Conv2D", {**options, "dilation_rate": 3}, meaning=THEANO)
    assert conv.before == (3, 2)
    lstm = convert("ConvLSTM2D", options, meaning=THEANO)
    assert (lstm.before, lstm.recurrent_before) == ((1, 1), (1, 1))
    assert convert("Conv2D", options).before == ()
    pooling = {"pool_size": [3, 2], "padding": "same"}
    assert convert("MaxPooling2D", pooling, meaning=THEANO).before == (1, 1)
    pooling = {"pool_size": [3, 2, 1], "padding": "same"}
    (problem,) = convert("MaxPooling3D", pooling, meaning=THEANO)
    assert "a negative number" in problem.reason


def test_masked_outputs_of_conv_lstm_are_zero_where_keras_heeds_it():
    options = {**FILTERS, "zero_output_for_mask": True}
    heeded = convert("ConvLSTM2D", options, meaning=KERAS_3)
    assert heeded.masked_output == "zero"
    ignored = convert("ConvLSTM2D", {**options, "zeroes_masked": False})
    assert ignored.masked_output == KERAS_2.recurrent.masked_output


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.AdaptiveMaxPooling, {"output_size": []}, "output_size is empty"),
        (layers.AdaptiveMaxPooling, {"output_size": [0]}, "output_size is 0"),
        (layers.ConvLSTM, {"filters": 0, **window(2)}, "filters is 0"),
        (layers.ConvLSTM, {"filters": 2, **window(2, strides=[1])}, "in length"),
        (layers.ConvTranspose, {"filters": 2, **window(2, strides=[1])}, "in length"),
        (
            layers.ConvTranspose,
            {"filters": 2, "output_padding": [2, 0], **window(2)},
            "output_padding is 2, expected 0 to 1",
        ),
        (
            layers.ConvTranspose,
            {"filters": 2, "output_padding": [0, 0], **window(2, padding="same")},
            "last window, got 0",
        ),
        (layers.DepthwiseConv, window(2, padding="causal"), "one spatial axis"),
        (layers.DepthwiseConv, window(2, kernel_size=[]), "in length"),
        (
            layers.LocallyConnected,
            {"filters": 2, "kernel_size": [2], "strides": [1, 1]},
            "in length",
        ),
        (layers.Resizing, {}, "either sizes or factors"),
        (layers.Resizing, {"sizes": [2], "interpolation": "linear"}, "interpolation"),
        (layers.SeparableConv, {"filters": 0, **window(2)}, "filters is 0"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


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
