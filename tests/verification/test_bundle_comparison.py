"""Faults planted in bundles: the default inputs of verify find each, where it starts.

One model of Keras 3, built and saved by Keras in a process of its own; one more
process verifies all bundles of it.  Every planted bundle is legal: it loads and runs.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import gru2np
from goldens import FIXTURES
from gru2np.verification.keras_process import environment
from gru2np.verification.settings import Settings
from gru2np.verification.verify import Request, verifying
from gru2np_runtime.bundle.container import (
    MANIFEST,
    read_members,
)
from needs_keras import MARKS
from planted import attribute, bundles_of, planted

pytestmark = MARKS

IDS = 300
BUILD = f"""
import sys
import numpy as np
from keras import Input, Model, layers
ids = Input((None,), dtype="int32", name="ids")
speed = Input((3,), name="speed")
y = layers.Embedding({IDS}, 6, mask_zero=True, name="table")(ids)
y = layers.GRU(5, return_sequences=True, name="first")(y)
y = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(y)
y = layers.LayerNormalization(epsilon=1e-3, name="norm")(y)
y = layers.GRU(4, reset_after=False, recurrent_activation="hard_sigmoid",
               name="last")(y)
z = layers.Dense(4, name="side")(speed)
z = layers.ReLU(max_value=20.0, name="clip")(z)
y = layers.Dense(2, name="out")(layers.Concatenate(name="joined")([y, z]))
model = Model([ids, speed], y)
rng = np.random.default_rng(0)
model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
model.save(sys.argv[1])
"""


def swapped(*blocks):
    """Exchange two of the equal blocks that a weight's columns are made of."""

    def edit(graph, arrays, path):
        count, a, b = blocks
        for name in ("kernel", "recurrent_kernel", "bias"):
            parts = np.split(arrays[f"{path}/{name}"], count, axis=-1)
            parts[a], parts[b] = parts[b], parts[a]
            arrays[f"{path}/{name}"] = np.concatenate(parts, axis=-1)

    return edit


def transposed(graph, arrays, path):
    parts = np.split(arrays[f"{path}/recurrent_kernel"], 3, axis=1)
    parts = [part.T for part in parts]
    arrays[f"{path}/recurrent_kernel"] = np.concatenate(parts, axis=1)


def without_recurrent_bias(graph, arrays, path):
    arrays[f"{path}/bias"][1] = 0


def without_bias(graph, arrays, path):
    arrays[f"{path}/bias"][:] = 0


def halves_exchanged(graph, arrays, path):
    for name in ("kernel", "recurrent_kernel", "bias"):
        one, other = f"{path}/forward_layer/{name}", f"{path}/backward_layer/{name}"
        arrays[one], arrays[other] = arrays[other], arrays[one]


def last_row(graph, arrays, path):
    arrays[f"{path}/embeddings"][IDS - 1] += 0.01


def without_mask(graph, arrays, path):
    del next(node for node in graph["nodes"] if node["name"] == path)["mask"]


def not_reversed(backwards):
    """Put the halves of a Bidirectional side by side as they come.

    Runtimes refuse a Bidirectional of two halves in one direction, so the fault is
    written as what it amounts to: two layers and a concatenation.
    """

    def edit(graph, arrays, path):
        layers, nodes = graph["layers"], graph["nodes"]
        at = next(i for i, node in enumerate(nodes) if node["name"] == path)
        halves = []
        for name, half in layers[path].pop("layers").items():
            halves.append({**nodes[at], "name": f"{path}#{name}", "layer": name})
            layers[name] = half
            for weight in half["weights"]:
                arrays[f"{name}/{weight}"] = arrays.pop(f"{path}/{name}/{weight}")
        layers["backward_layer"]["attributes"]["go_backwards"] = backwards
        layers[path].update(op="concatenate", attributes={"axis": -1})
        inputs = [[half["name"], 0] for half in halves]
        nodes[at : at + 1] = [*halves, {**nodes[at], "inputs": inputs}]
        del nodes[at + 2]["mask"]

    return edit


KERAS_2 = {"function": "hard_sigmoid", "slope": 0.2}
# Layer, what is wrong with it, and a case that sees it where others may not.
FAULTS = {
    "z and r swapped": ("first", swapped(3, 0, 1), "typical"),
    "recurrent bias dropped": ("first", without_recurrent_bias, "typical"),
    "hard_sigmoid of Keras 2": (
        "last",
        attribute("recurrent_activation", KERAS_2),
        "typical",
    ),
    "mask ignored": ("first", without_mask, "padded-left"),
    "mask ignored by both directions": ("both", without_mask, "padded-right"),
    "mask ignored at the end": ("last", without_mask, "padded-right"),
    "backward half reads forwards": ("both", not_reversed(False), "typical"),
    "backward half not turned back": ("both", not_reversed(True), "typical"),
    "halves exchanged": ("both", halves_exchanged, "typical"),
    "wrong epsilon": ("norm", attribute("epsilon", 1e-5), "typical"),
    "recurrent kernel transposed": ("last", transposed, "typical"),
    "read from the other end": ("last", attribute("go_backwards", True), "typical"),
    "no cap": ("clip", attribute("function", "relu"), "saturated"),
    "one row of the table wrong": ("table", last_row, "every-id"),
    "bias dropped": ("out", without_bias, "zeros"),
    "tanh for the candidate forgotten": (
        "last",
        attribute("activation", "linear"),
        "one-step",
    ),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Verifications by fault; of the honest bundle under the empty name."""
    folder = tmp_path_factory.mktemp("faults")
    model = folder / "model.keras"
    subprocess.run(
        [sys.executable, "-c", BUILD, model],
        env=environment(folder),
        check=True,
        capture_output=True,
    )
    paths = bundles_of(model, FAULTS, folder)
    request = Request(settings=Settings(layers=True))
    with verifying(model, paths, request) as (_, verifications):
        return dict(zip(["", *FAULTS], verifications, strict=True))


def test_the_honest_bundle_agrees_in_every_case_and_layer(found):
    honest = found[""]
    assert honest.agrees, honest.outputs
    assert honest.first_difference is None
    assert {case.name for case in honest.evidence.cases} >= {
        *("typical", "padded-right", "padded-left", "holes", "masked-rows"),
        *("one-step", "long", "zeros", "saturated", "every-id"),
        *("one-row", "odd-batch"),
    }
    recurrent = [own for own in honest.layers if own.kind in ("GRU", "Bidirectional")]
    for own in recurrent:
        assert 0 < own.float64.theirs < 1e-5
        assert 0 < own.float64.ours < 1e-5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_at_its_layer_and_at_no_other(found, fault):
    layer, _, case = FAULTS[fault]
    verification = found[fault]
    assert not verification.agrees
    departed = {own.name for own in verification.layers if not own.agrees}
    assert departed == {layer}
    assert verification.first_difference.name == layer
    seen = {own.name for own in verification.evidence.cases if not own.agrees}
    assert case in seen


@pytest.mark.parametrize(
    ("fault", "case"),
    [("no cap", "saturated"), ("one row of the table wrong", "every-id")],
)
def test_a_fault_may_show_only_in_the_case_made_for_it(found, fault, case):
    cases = found[fault].evidence.cases
    assert [own.name for own in cases if not own.agrees] == [case]


def test_states_that_are_not_carried_are_found(tmp_path):
    """Of a stateful model several calls are made, one after the other."""
    model = FIXTURES / "keras-3.15" / "stateful" / "model.keras"
    honest = tmp_path / "honest.npz"
    gru2np.export(model, honest)
    manifest = json.loads(bytes(read_members(honest.read_bytes())[MANIFEST]))
    path = next(
        path
        for path, layer in manifest["graph"]["layers"].items()
        if layer["attributes"].get("stateful")
    )
    wrong = tmp_path / "wrong.npz"
    edit = attribute("stateful", False)
    wrong.write_bytes(planted(honest.read_bytes(), path, edit))
    request = Request(settings=Settings(layers=True))
    with verifying(model, [honest, wrong], request) as (_, (right, found)):
        pass
    assert right.agrees
    assert right.first_difference is None
    assert not found.agrees
    assert found.first_difference.name == path
    assert all(case.calls == 3 for case in found.evidence.cases)
