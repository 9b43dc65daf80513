"""Models of layers, nested or not, as one graph."""

from __future__ import annotations

import io

import pytest

import gru2np
from conversions import built
from exports import refused
from gru2np.errors import UnsupportedModelError
from legacy_models import saved
from meanings import meaning_of
from shared_files import CASES, needs_cases


def test_a_model_without_layers_is_refused(tmp_path):
    config = {"name": "m", "layers": [], "input_layers": [["x", 0, 0]]}
    config["output_layers"] = [["x", 0, 0]]
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="at least one layer"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())


def test_models_that_multiply_are_bounded(tmp_path):
    """A model called twice in a model called twice, and so on: 2 ** 40 calls."""
    inner = {
        "class_name": "Activation",
        "config": {"name": "a", "activation": "tanh"},
        "name": "a",
    }
    shape = {"batch_input_shape": [None, 3], "name": "x", "dtype": "float32"}
    x = {"class_name": "InputLayer", "config": shape, "name": "x", "inbound_nodes": []}
    for depth in range(40):
        first, second = ([[["x", 0, 0, {}]]], [[[f"m{depth}", 1, 0, {}]]])
        calls = first + second if depth else first
        config = {
            "name": f"m{depth + 1}",
            "layers": [x, {**inner, "inbound_nodes": calls}],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[inner["name"], len(calls) if depth else 0, 0]],
        }
        inner = {"class_name": "Model", "config": config, "name": f"m{depth + 1}"}
    spec = {**inner, "keras_version": "2.2.4"}
    error = refused(saved(tmp_path, spec))
    assert isinstance(error, gru2np.ModelFileError)


def test_a_layer_called_with_too_many_tensors_is_refused(tmp_path):
    """Extra inputs are never dropped in silence."""
    x = {
        "class_name": "InputLayer",
        "name": "x",
        "config": {"name": "x", "batch_input_shape": [None, 3], "dtype": "float32"},
        "inbound_nodes": [],
    }
    twice = [[["x", 0, 0, {}], ["x", 0, 0, {}]]]
    flat = {
        "class_name": "Activation",
        "name": "a",
        "config": {"name": "a", "activation": "tanh"},
        "inbound_nodes": twice,
    }
    config = {
        "name": "model",
        "layers": [x, flat],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["a", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="expected one input, got 2"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())


@needs_cases
@pytest.mark.parametrize(
    ("name", "text"),
    [("mask", "make the mask an input"), ("state", "make them inputs of the model")],
)
def test_numbers_handed_to_a_call_are_refused_in_plain_words(name, text):
    with pytest.raises(UnsupportedModelError, match=f"one batch; {text}"):
        gru2np.export(CASES / "const_mask_and_state" / f"{name}.h5", io.BytesIO())


def test_stateful_calls_whose_order_is_not_known_are_refused():
    case, none = "keras-3.15/stateful_shared", {"stateful_calls_follow": False}
    with pytest.raises(UnsupportedModelError, match="calls pass states on") as caught:
        built(case, recurrent=none)
    # The model inside as well: what it holds is called again with it.
    for name in ("gru", "lstm", "chain", "inner", "both"):
        assert f"'{name}'" in str(caught.value)
    for version in ("2.0.4", "2.1.4"):
        found = meaning_of("tf.keras", version)
        assert found.recurrent.stateful_calls_follow == (version == "2.1.4")
    found = meaning_of("keras-2", "2.3.1")
    assert not found.recurrent.stateful_calls_follow
    for backend, follow in (("tensorflow", True), ("jax", False)):
        found = meaning_of("keras-3", "3.10.0", backend)
        assert found.recurrent.stateful_calls_follow == follow
