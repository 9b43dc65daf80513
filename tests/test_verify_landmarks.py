"""Inputs are drawn where layers turn, and a wrong bundle excuses nothing.

One model of Keras 3 with a branch for each kind of layer that holds numbers, built and
saved by Keras in a process of its own; one more process verifies all bundles of it.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gru2np.verification import float64
from gru2np.verification.comparison import Tolerance, compare
from gru2np.verification.evidence import Case
from gru2np.verification.input_usage import Usage
from gru2np.verification.keras_process import environment
from gru2np.verification.landmarks import pool
from gru2np.verification.settings import Settings
from gru2np.verification.verify import Request, verifying
from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan
from test_verify_faults import attribute, bundles_of
from test_verify_faults import pytestmark as with_keras

ROWS = 40
BUILD = f"""
import sys
import numpy as np
from keras import Input, Model, layers, ops
rng = np.random.default_rng(0)
codes = Input((4,), dtype="int64", name="codes")
looked = layers.IntegerLookup(vocabulary=[7, 100, 2000003], name="lookup")(codes)
looked = layers.Embedding(6, 3, name="places")(looked)
closed = Input((4,), dtype="int64", name="closed")
only = layers.IntegerLookup(vocabulary=[50, 60, 70], num_oov_indices=0, name="only")
only = layers.Embedding(3, 2, name="third")(only(closed))
level = Input((5,), name="level")
bins = layers.Discretization(bin_boundaries=[-1.3, 0.7, 35.0], name="bins")(level)
bins = layers.Embedding(4, 3, name="bin_rows")(bins)
steps = Input((6, 2), name="steps")
padded = layers.Masking(mask_value=-7.5, name="padding")(steps)
padded = layers.GRU(3, name="after")(padded)
speed = Input((8,), name="speed")
capped = layers.ReLU(max_value=600.0, threshold=400.0, name="cap")(speed)
clipped = ops.clip(layers.Dropout(0.5)(speed), -900.0, 900.0)
larger = ops.cast(ops.greater(layers.Reshape((4, 2))(speed), 3000.0), "float32")
shrunk = layers.Activation("hard_shrink", name="shrink")(speed)
sensor = Input((3,), name="sensor")
normal = layers.Normalization(mean=[500.0, -80.0, 9.0], variance=[4.0, 9.0, 0.01],
                              name="normal")(sensor)
normal = layers.Dense(4, activation="tanh", name="behind")(normal)
pixels = Input((6,), name="pixels")
scaled = layers.Rescaling(1 / 50000, name="scaled")(pixels)
scaled = layers.ReLU(max_value=1.0, name="white")(scaled)
ids = Input((4,), dtype="int32", name="ids")
rows = layers.Embedding({ROWS}, 2, name="table")(ids)
kinds = Input((4,), dtype="int32", name="kinds")
kind = layers.CategoryEncoding(5, output_mode="multi_hot", name="kinds_of")(kinds)
deep = layers.Dense(3, name="small")(ops.tanh(sensor))
deep = layers.ReLU(max_value=1e7, name="far")(deep)
model = Model(
    [codes, closed, level, steps, speed, sensor, pixels, ids, kinds],
    [looked, only, bins, padded, capped, clipped, larger, shrunk, normal, scaled, rows,
     kind, deep],
)
for layer in model.layers:
    if layer.name not in ("normal", "bins") and layer.get_weights():
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
model.save(sys.argv[1])
"""


def built(script, path):
    subprocess.run(
        [sys.executable, "-c", script, path],
        env=environment(path.parent),
        check=True,
        capture_output=True,
    )
    return path


def among(name, *changed):
    """Give numbers of an attribute that is a list other values."""

    def edit(graph, arrays, path):
        numbers = graph["layers"][path]["attributes"][name]
        for at, value in changed:
            numbers[at : at + 1] = [value]

    return edit


def function(**options):
    """Give the function of an activation another parameter."""

    def edit(graph, arrays, path):
        given = graph["layers"][path]["attributes"]["function"]
        given = {"function": given} if isinstance(given, str) else given
        graph["layers"][path]["attributes"]["function"] = {**given, **options}

    return edit


def of_kind(op, name, value):
    """The same of the only layer of a kind, whatever its name."""

    def edit(graph, arrays, path):
        (found,) = (p for p, own in graph["layers"].items() if own["op"] == op)
        attribute(name, value)(graph, arrays, found)

    return edit


def mask_value(value):
    """Another mask value, in the layer and in the node that makes the mask."""

    def edit(graph, arrays, path):
        attribute("mask_value", value)(graph, arrays, path)
        of_kind("not_equal", "value", value)(graph, arrays, path)

    return edit


def swapped_rows(a, b):
    def edit(graph, arrays, path):
        table = arrays[f"{path}/embeddings"]
        table[[a, b]] = table[[b, a]]

    return edit


def scaled(name, factor):
    """A weight of the layer, all of it so many times as large."""

    def edit(graph, arrays, path):
        arrays[f"{path}/{name}"] *= np.float32(factor)

    return edit


def above(number):
    return float(np.nextafter(np.float32(number), np.float32(np.inf)))


# Layer, what is wrong with it, and a case that sees it.
FAULTS = {
    "another member": ("lookup", among("vocabulary", (2, 2000004)), "landmarks"),
    "members exchanged": ("lookup", among("vocabulary", (0, 100), (1, 7)), "typical"),
    "one member more": ("lookup", among("vocabulary", (3, 55)), "bundle-landmarks"),
    "rows of members": ("places", swapped_rows(1, 3), "typical"),
    "another member of the only ones": (
        *("only", among("vocabulary", (2, 71))),
        "typical",
    ),
    "boundary moved": ("bins", among("boundaries", (2, 35.5)), "bundle-landmarks"),
    "boundary moved by a last digit": (
        *("bins", among("boundaries", (1, above(0.7)))),
        "landmarks",
    ),
    "another mask value": ("padding", mask_value(-7.25), "padded-left"),
    "mask value moved by a last digit": (
        *("padding", mask_value(above(-7.5))),
        "landmarks",
    ),
    "another cap": ("cap", function(max_value=620.0), "landmarks"),
    "another threshold": ("cap", function(threshold=390.0), "bundle-landmarks"),
    "another end of clip": ("", of_kind("clip", "upper", 901.0), "landmarks"),
    "another constant": (
        *("", of_kind("binary", "constant", [3001.0])),
        "bundle-landmarks",
    ),
    "another bound": ("shrink", function(threshold=above(0.5)), "landmarks"),
    "kernel behind a normalization": ("behind", scaled("kernel", 1.01), "typical"),
    "cap behind a scale": ("white", function(max_value=1.05), "typical"),
    "last rows exchanged": ("table", swapped_rows(ROWS - 2, ROWS - 1), "every-id"),
    "categories refused": (
        *("kinds_of", attribute("leaves_out", False)),
        "landmarks",
    ),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Verifications by fault; of the honest bundle under the empty name."""
    folder = tmp_path_factory.mktemp("landmarks")
    model = built(BUILD, folder / "model.keras")
    paths = bundles_of(model, FAULTS, folder)
    request = Request(settings=Settings(layers=False))
    with verifying(model, paths, request) as (_, verifications):
        return dict(zip(["", *FAULTS], verifications, strict=True))


def keras(test):
    """Mark a test that runs a real Keras."""
    for mark in with_keras:
        test = mark(test)
    return test


@keras
def test_the_honest_bundle_agrees_in_every_case(found):
    honest = found[""]
    assert honest.agrees, honest.outputs
    seen = {own.name for own in honest.evidence.cases}
    assert {"landmarks", "bundle-landmarks", "every-id"} <= seen


@keras
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_in_the_case_that_is_made_for_it(found, fault):
    case = FAULTS[fault][2]
    assert not found[fault].agrees
    assert case in {own.name for own in found[fault].evidence.cases if not own.agrees}


@keras
def test_numbers_that_no_input_crossed_are_said(found):
    (far,) = (text for text in found[""].missed if "far" in text)
    assert far.startswith("layer far: inputs from ")
    assert far.endswith(" never crossed 10000000")


# What nobody can say anything of, and what a bundle alone makes look so.

CHAOS = """
import sys
import numpy as np
from keras import Input, Model, layers
x = Input((60, 3), name="x")
y = layers.SimpleRNN(24, return_sequences=True, name="first")(x)
y = layers.GRU(4, name="second")(y)
model = Model(x, layers.Dense(2, name="out")(y))
rng = np.random.default_rng(0)
model.set_weights([rng.normal(size=w.shape) * 0.4 for w in model.get_weights()])
first = model.get_layer("first")
kernel, recurrent, bias = first.get_weights()
first.set_weights([kernel, recurrent * FACTOR, bias])
model.save(sys.argv[1])
"""
LEFT_OUT = "this model amplifies rounding so much that no two programs agree on it"


@keras
def test_a_bundle_that_is_chaotic_alone_differs_and_no_case_is_left_out(tmp_path):
    model = built(CHAOS.replace("FACTOR", "0.2"), tmp_path / "model.keras")
    faults = {"huge": ("first", scaled("recurrent_kernel", 20.0), "")}
    honest, wrong = bundles_of(model, faults, tmp_path)
    request = Request(settings=Settings(layers=True))
    with verifying(model, [honest, wrong], request) as (_, (right, found)):
        pass
    assert right.agrees
    assert not any(LEFT_OUT in note for note in found.notes)
    assert not any(own.agrees for own in found.evidence.cases)
    assert {own.name for own in found.evidence.cases} >= {"typical", "one-row"}
    assert found.first_difference.name == "first"


@keras
def test_a_model_that_is_chaotic_in_keras_too_is_left_out(tmp_path):
    model = built(CHAOS.replace("FACTOR", "4.0"), tmp_path / "model.keras")
    with verifying(model, [None], Request()) as (_, (found,)):
        pass
    out = {note.split()[1] for note in found.notes if LEFT_OUT in note}
    assert out == {"typical", "one-row", "odd-batch"}
    assert found.agrees


def rnn(factor):
    """A graph that makes much of a last digit, and its weights."""
    rng = np.random.default_rng(0)
    layer = layers.SimpleRNN(units=24)
    weights = {
        name: (rng.normal(size=shape) * factor).astype(np.float32)
        for name, shape in layer.weight_shapes((None, None, 3)).items()
    }
    model = layer.bind(**weights)
    return model.graph, model.weights


@pytest.mark.parametrize(("keras_moves", "reason"), [(10.0, True), (0.0, False)])
def test_that_a_last_digit_decides_is_believed_only_with_keras(keras_moves, reason):
    graph, weights = rnn(1.6)
    x = np.random.default_rng(1).normal(size=(3, 200, 3)).astype(np.float32)
    theirs = load_of(graph, weights, x)
    ours = theirs[::-1]
    compared = compare("y", ours, theirs, Tolerance(1e-6, 1e-5))
    case = Case(
        *("typical", "", 0, 1, {"x": x}, {"y": theirs}, {"y": ours}), (compared,)
    )
    exact = float64.Exact(graph, weights, [np.zeros(0)])
    asked = []

    def moved(output):
        asked.append(output)
        return keras_moves

    heard = float64.judge_case(case, exact, [[x]], moved, always=False, lenient=True)
    assert heard.compared[0].amplified is reason
    assert asked == [0]
    assert not heard.agrees


def load_of(graph, weights, x):
    return make_plan(graph, weights).run([x], None)[0]


def test_a_number_at_which_a_layer_turns_is_not_nudged():
    """A step that is padding would be none any more, and everything would move."""
    x = np.array([[-7.5, -7.5, 1.0]])
    moved = float64.nudged(x, np.array([-7.5], np.float32))
    assert (moved != x).tolist() == [[False, False, True]]


# Which numbers are drawn.


def test_both_sides_of_a_boundary_are_drawn_and_nothing_that_counts_as_zero():
    found = pool(Usage(breakpoints=[3.5]), "float32", half=False)
    at = np.float32(3.5)
    sides = [np.nextafter(at, np.float32(s)) for s in (0, 9)]
    assert {at, *sides} <= {*found}
    assert found.min() < 2
    assert found.max() >= 7
    beside_zero = pool(Usage(mask_values=[0.0]), "float32", half=False)
    least = np.abs(beside_zero[beside_zero != 0]).min()
    assert least == np.finfo(np.float32).tiny
    coarse = pool(Usage(breakpoints=[3.5]), "float32", half=True)
    assert at not in coarse
    assert coarse.min() < 3.4
    assert coarse.max() > 3.6


def test_whole_numbers_stay_within_their_type_and_what_is_legal():
    found = pool(Usage(vocabulary=[7, 2**40]), "int32", half=False)
    assert found.tolist() == [6, 7, 8]
    closed = pool(Usage(vocabulary=[7, 9], only_vocabulary=True), "int64", half=False)
    assert closed.tolist() == [7, 9]
    ids = Usage(rows=5, limit=5, breakpoints=[4.0, 9.0])
    assert pool(ids, "int32", half=False).tolist() == [3, 4]
    assert (
        pool(Usage(rows=5, limit=5, mask_values=[0.0]), "int32", half=False).size == 0
    )


@pytest.mark.parametrize(
    "layer",
    [
        layers.IntegerLookup(vocabulary=(7, 100, 1), outside=3),
        layers.IntegerLookup(vocabulary=(7, 100), outside=2, mask_token=(5,)),
        layers.IntegerLookup(vocabulary=(7, 100), outside=0),
    ],
)
def test_the_origin_of_a_place_is_given_that_place(layer):
    for place in range(layer.size()):
        number = np.array([layer.preimage(place)])
        assert layer.forward({}, number).tolist() == [place]
    assert layer.preimage(layer.size()) is None
    assert layer.preimage(0.5) is None
