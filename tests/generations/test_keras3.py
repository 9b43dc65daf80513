"""Keras 3: what its releases and backends meant, and how it names classes."""

from __future__ import annotations

import copy
import io
import json

import pytest

import gru2np
from conversions import converted_with, opened, records_of
from goldens import FIXTURES
from gru2np.generations import keras3
from meanings import meaning_of

WHOLE = {"class_name": "__slice__", "config": {"start": None, "stop": None}}


@pytest.mark.parametrize("key", [[WHOLE], [WHOLE, WHOLE]])
def test_an_operation_that_changes_nothing_is_noted_for_jax(key):
    """Keras 3.10 on JAX kept it, Keras 3.15 on TensorFlow did not."""
    with opened("keras-3.15/masked_operation") as raw:
        config = copy.deepcopy(dict(raw.config))
        (item,) = records_of(config, "GetItem")
        item["inbound_nodes"][0]["args"][1] = key
        (text,) = converted_with(raw, config).built.warnings
    assert "Keras 3.15.1 on JAX" in text


def test_an_activation_function_of_keras_3_is_an_operation():
    spec = {"class_name": "ReLU", "module": "keras.src.activations.activations"}
    assert keras3._class_name({**spec, "config": {"name": "re_lu"}}) == "ops.ReLU"
    spec = {"class_name": "ReLU", "module": "keras.layers"}
    assert keras3._class_name({**spec, "config": {"name": "re_lu"}}) == "ReLU"


@pytest.mark.parametrize(
    ("version", "backend", "casts", "operations"),
    [
        ("3.5.0", "tensorflow", True, False),
        ("3.6.0", "tensorflow", True, False),
        ("3.5.0", "jax", False, False),
        ("3.6.0", "jax", True, True),
        ("3.6.0", "torch", None, None),
    ],
)
def test_masks_at_operations_with_nothing_to_do(version, backend, casts, operations):
    """By version and backend; None where nobody has measured it."""
    found = meaning_of("keras-3", version, backend).masks
    assert (found.idle_casts, found.idle_operations) == (casts, operations)


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


def tensor(name):
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def called(argument, inputs, version=(3, 15, 1)):
    """The layers whose tensors a call of a model reads, in order."""
    spec = {
        "class_name": "Functional",
        "config": {"input_layers": inputs},
        "inbound_nodes": [{"args": [argument], "kwargs": {}}],
    }
    (call,) = keras3._calls("$", spec, version)
    return [ref.layer for ref in call.inputs]


def test_a_dict_is_read_by_the_names_of_the_inputs():
    """Measured on 3.0 to 3.15: 3.4 to 3.6 took the order of the keys instead."""
    listed, by_key = [["z", 0, 0], ["b", 0, 0]], {"z": ["q", 0, 0], "b": ["p", 0, 0]}
    argument = {"b": tensor("second"), "z": tensor("first")}
    for version in ((3, 0, 5), (3, 3, 3), (3, 7, 0), (3, 15, 1)):
        assert called(argument, listed, version) == ["first", "second"]
    for version in ((3, 4, 1), (3, 5, 0), (3, 6, 0)):
        assert called(argument, listed, version) == ["second", "first"]
    assert called(argument, by_key) == ["second", "first"]
    nested = [tensor("a"), [tensor("b"), [tensor("c")]]]
    assert called(nested, [["x", 0, 0], ["y", 0, 0], ["z", 0, 0]]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"a": tensor("a"), "other": tensor("b")}, "whose keys are not those"),
        ({"a": tensor("a")}, "whose keys are not those"),
        ([tensor("a"), [tensor("b"), 3]], "something else than tensors"),
        ([tensor("a"), []], "constants in one list|something else"),
    ],
)
def test_other_structures_are_refused(argument, words):
    with pytest.raises(gru2np.UnsupportedModelError, match=words):
        called(argument, [["a", 0, 0], ["b", 0, 0]])
