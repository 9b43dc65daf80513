"""Recurrent layers: which states and options fit."""

from __future__ import annotations

import io

import pytest

import gru2np
from legacy_models import saved
from meanings import meaning_of
from spellings import convert


def test_initial_states_that_do_not_fit_are_refused(tmp_path):
    """One state for an LSTM, which has two."""

    def input_layer(name, *shape):
        config = {"name": name, "batch_input_shape": [None, *shape]}
        return {
            "class_name": "InputLayer",
            "name": name,
            "config": {**config, "dtype": "float32"},
            "inbound_nodes": [],
        }

    lstm = {
        "class_name": "LSTM",
        "name": "lstm",
        "config": {"name": "lstm", "units": 2},
        "inbound_nodes": [[["x", 0, 0, {}], ["h", 0, 0, {}]]],
    }
    config = {
        "name": "model",
        "layers": [input_layer("x", None, 3), input_layer("h", 2), lstm],
        "input_layers": [["x", 0, 0], ["h", 0, 0]],
        "output_layers": [["lstm", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="expected initial states"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())


@pytest.mark.parametrize(("rate", "rule"), [(0.0, "previous"), (0.5, "zero")])
def test_recurrent_dropout_kept_a_layer_of_tensorflow_2_from_cudnn(rate, rule):
    options = {"units": 3, "implementation": 2, "zero_output_for_mask": True}
    layer = convert(
        "LSTM",
        {**options, "recurrent_activation": "sigmoid"},
        meaning=meaning_of("tf.keras", "2.0.4"),
        training={"recurrent_dropout": rate},
    )
    assert layer.masked_output == rule
