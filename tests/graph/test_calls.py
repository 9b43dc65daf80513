"""Calls of attention: their arguments, and where masks are refused."""

from __future__ import annotations

import copy
import dataclasses
import io

import numpy as np
import pytest

import gru2np
from goldens import FIXTURES
from gru2np.generations import interpret
from gru2np.graph.flatten import build
from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
from gru2np.layers.custom import Specs
from gru2np.readers import open_model
from gru2np_runtime.bundle.manifest_writer import graph_record
from meanings import meaning_of


def architecture(path):
    """The architecture of a file as it stands there."""
    with open_model(path) as raw:
        return raw, copy.deepcopy(dict(raw.config))


def built(raw, config):
    """The graph under another architecture, as a manifest holds it."""
    model, readings = interpret(dataclasses.replace(raw, config=config))
    return graph_record(build(model, readings.assumed, Specs()).graph, lambda path: {})


def test_arguments_are_the_same_by_position_and_by_name():
    """The order in which they were named is not that of the row."""
    raw, config = architecture(FIXTURES / "keras-3.15" / "heads" / "model.keras")
    before = built(raw, config)
    moved = 0
    for spec in config["config"]["layers"]:
        if spec["class_name"] == "MultiHeadAttention":
            for call in spec["inbound_nodes"]:
                named = dict(zip(("query", "value", "key"), call["args"], strict=False))
                call["kwargs"] = {**call["kwargs"], **dict(reversed(named.items()))}
                call["args"] = []
                moved += len(named)
    assert moved > 8
    assert built(raw, config) == before


@pytest.mark.parametrize(
    ("class_name", "change", "option"),
    [
        ("Masking", lambda call, x: call["kwargs"].update(to=x), "to"),
        ("MultiHeadAttention", lambda call, x: call["kwargs"].update(mask=x), "mask"),
        ("MultiHeadAttention", lambda call, x: call["kwargs"].update(keys=x), "keys"),
        ("MultiHeadAttention", lambda call, _: call["args"].append(True), "argument"),
    ],
)
def test_an_argument_that_a_row_does_not_name_is_refused(class_name, change, option):
    raw, config = architecture(FIXTURES / "keras-3.15" / "heads_masked" / "model.keras")
    specs = config["config"]["layers"]
    call = next(s for s in specs if s["class_name"] == class_name)["inbound_nodes"][0]
    change(call, call["args"][0])
    with pytest.raises(gru2np.UnsupportedModelError) as caught:
        built(raw, config)
    (problem,) = caught.value.problems
    assert (problem.class_name, problem.option.split()[0]) == (class_name, option)
    assert "an argument of the call that this version" in problem.reason


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
def test_a_mask_of_whole_steps_is_refused_where_heads_would_use_it(tmp_path):
    """Keras hands it on to a model inside, whose numbers then hang on it."""
    keras = pytest.importorskip("keras", reason="needs gru2np[verify]")
    inner = keras.Input((5, 4))
    y = keras.layers.MultiHeadAttention(2, 3)(inner, inner)
    x = keras.Input((6, 5, 4))
    masked = keras.layers.Masking()(x)
    each = keras.layers.TimeDistributed(keras.Model(inner, y))
    model = keras.Model(x, each(masked))
    steps = np.ones((1, 6, 5, 4), "float32")
    steps[:, :, 3:] = 0
    whole = keras.Model(x, each(x))
    assert np.abs(model(steps) - whole(steps)).max() > 1e-3
    model.save(tmp_path / "model.keras")
    with pytest.raises(gru2np.UnsupportedModelError, match="inside TimeDistributed"):
        gru2np.export(tmp_path / "model.keras", io.BytesIO())


@pytest.mark.parametrize(
    ("release", "before", "refuses"),
    [
        (("tf.keras", "2.10.1"), "Relu", True),
        (("tf.keras", "2.10.1"), "Negative", False),
        (("tf.keras", "2.10.1"), None, False),
        (("keras-3", "3.15.1"), "Relu", False),
    ],
)
def test_ties_behind_a_function_are_tensorflows(release, before, refuses):
    """Its optimizer takes argmax(relu(x)) for argmax(x), measured: see ``extreme``."""
    x = KerasLayer("InputLayer", "x", {"batch_shape": [None, 5]}, training={})
    name = "x" if before is None else "f"
    of_x = (Call((TensorRef("x", 0, 0),)),)
    f = KerasLayer(f"ops.{before}", "f", {}, of_x, training={})
    calls = (Call((TensorRef(name, 0, 0),)),)
    y = KerasLayer("ops.Argmax", "y", {"axis": 1}, calls, training={})
    inner = (x, y) if before is None else (x, f, y)
    refs = ((TensorRef("x", 0, 0),), (TensorRef("y", 0, 0),))
    model = KerasModel("model", inner, *refs, sequential=False, config={})
    built = build(model, meaning_of(*release), Specs())
    assert built.graph.layers["y"].refuses_ties is refuses


def test_a_missing_axis_is_said_in_words():
    """Not in Python's, such as "tuple index out of range"."""
    raw, config = architecture(FIXTURES / "keras-3.15" / "quantised" / "model.keras")
    (spec,) = [s for s in config["config"]["layers"] if s["class_name"] == "InputLayer"]
    spec["config"]["batch_shape"] = [None]
    with pytest.raises(gru2np.Gru2npError) as refusal:
        built(raw, config)
    assert "index out of range" not in str(refusal.value)
