"""Faults at boundary values: each is found in the case that is made for it."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.verification.settings import Settings
from gru2np.verification.verify import Request, verifying
from needs_keras import needs_keras
from planted import attribute, bundles_of, saved_by_keras, scaled

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
    model = saved_by_keras(BUILD, folder / "model.keras")
    paths = bundles_of(model, FAULTS, folder)
    request = Request(settings=Settings(layers=False))
    with verifying(model, paths, request) as (_, verifications):
        return dict(zip(["", *FAULTS], verifications, strict=True))


@needs_keras
def test_the_honest_bundle_agrees_in_every_case(found):
    honest = found[""]
    assert honest.agrees, honest.outputs
    seen = {own.name for own in honest.evidence.cases}
    assert {"landmarks", "bundle-landmarks", "every-id"} <= seen


@needs_keras
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_in_the_case_that_is_made_for_it(found, fault):
    case = FAULTS[fault][2]
    assert not found[fault].agrees
    assert case in {own.name for own in found[fault].evidence.cases if not own.agrees}


@needs_keras
def test_boundary_values_that_no_input_crossed_are_reported(found):
    (far,) = (text for text in found[""].missed if "far" in text)
    assert far.startswith("layer far: inputs from ")
    assert far.endswith(" never crossed 10000000")
