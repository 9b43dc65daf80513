"""Attention: what its masks mean to each Keras, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

import gru2np
from gru2np.generations import interpret
from gru2np.graph.flatten import build
from gru2np.layers.custom import Specs
from gru2np.readers import open_model
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.layers import Attention, MultiHeadAttention
from gru2np_runtime.layers.scores import masked_softmax
from meanings import meaning_of

FIXTURES = Path(__file__).parent.parent / "fixtures"
# Entirely masked, partly masked, not masked.
MASK = np.array([[False, False], [True, False], [True, True]])
SCORES = np.array([[0.5, 2.0], [0.5, 2.0], [0.5, 2.0]], "float32")


@pytest.mark.parametrize(
    ("how", "expected"), [("added", 0.5), ("replaced", 0.5), ("zeroed", 0.0)]
)
def test_what_is_masked_entirely_hangs_on_the_version(how, expected):
    y = masked_softmax(SCORES, MASK, (-1,), how)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[0], expected)
    np.testing.assert_allclose(y[1], [1.0, 0.0])


@pytest.mark.parametrize(
    ("version", "masking", "takes"),
    [
        ("3.5.0", "added", False),
        ("3.9.2", "added", True),
        ("3.10.0", "zeroed", True),
    ],
)
def test_keras_3_changed_what_heads_do_with_masks(version, masking, takes):
    meaning = meaning_of("keras-3", version)
    assert meaning.attention.masked_scores == masking
    assert meaning.attention.heads_take_masks == takes


def test_heads_looked_at_no_masks_before_tensorflow_2_10():
    assert not meaning_of("tf.keras", "2.9.3").attention.heads_use_masks
    assert meaning_of("tf.keras", "2.10.1").attention.heads_use_masks


def test_the_value_s_mask_over_the_batch_is_refused(tmp_path, rewrite_keras):
    source = FIXTURES / "keras-3.15" / "attention_masked" / "model.keras"

    def older(metadata):
        return json.dumps({**json.loads(metadata), "keras_version": "3.11.3"})

    path = rewrite_keras(source, tmp_path / "older.keras", "metadata.json", older)
    with pytest.raises(gru2np.UnsupportedModelError, match="along the batch axis"):
        gru2np.export(path, io.BytesIO())


@pytest.fixture
def rewrite_keras():
    """A .keras archive with one member changed."""
    import zipfile

    def rewrite(source, target, member, change):
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                new.writestr(name, change(data) if name == member else data)
        return target

    return rewrite


def test_attention_cannot_run_step_by_step():
    out = io.BytesIO()
    gru2np.export(FIXTURES / "keras-3.15" / "heads_in_a_row" / "model.keras", out)
    with pytest.raises(gru2np.InputError, match="cannot run step by step"):
        load(out.getvalue()).initial_state(batch_size=1)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    layer = MultiHeadAttention(num_heads=2, key_dim=3, value_dim=2)
    shapes = [(batch, 4, 3), (batch, 5, 6)]
    weights = {
        name: np.ones(shape, "float32")
        for name, shape in layer.weight_shapes(*shapes).items()
    }
    y = layer.forward(weights, *(np.ones(shape, "float32") for shape in shapes))
    assert y.shape == (batch, 4, 3)
    assert y.dtype == np.float32


def test_queries_and_keys_of_other_features_are_refused():
    with pytest.raises(ValueError, match="differ in features"):
        Attention().output_shapes((None, 5, 4), (None, 6, 3))


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
