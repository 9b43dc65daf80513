"""Random models of a real Keras give its numbers, or are refused as expected."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings

import gru2np
from properties import checking
from properties.checking import check
from properties.examples import models, time_major
from properties.graphs import KINDS

# Examples of a test: by default, and at night.  Old Keras takes seconds to build one.
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
COUNTS = {"keras": (20, 1500), "tf_keras": (6, 500)}
MASKED = ["masked", "masked", None]
OVER_TIME = ["recurrent", "initial_state", "mask_argument"]
BOTH = pytest.mark.parametrize("keras", sorted(COUNTS))


def run(strategy, keras, times=1):
    """Check as many examples of a strategy as this Keras is given."""

    @settings(max_examples=COUNTS[keras][NIGHTLY] * times)
    @given(strategy)
    def every(recipe):
        check(recipe)

    every()


@BOTH
def test_recurrent_layers(keras):
    inputs = [["sequence"], ["ids"], ["sequence", "mask"], ["sequence", "vector"]]
    run(models(keras, inputs, [[MASKED, OVER_TIME]]), keras)


@BOTH
def test_stateful_layers(keras):
    inputs = [["sequence"], ["ids"], ["sequence", "mask"]]
    plans = [[MASKED, OVER_TIME], [MASKED, OVER_TIME, OVER_TIME]]
    run(models(keras, inputs, plans, stateful=True), keras)


@BOTH
def test_merged_masks(keras):
    inputs = [["sequence", "sequence"], ["ids", "ids"], ["ids", "sequence"]]
    plans = [[MASKED, MASKED, ["concatenation", "merge"], ["recurrent"]]]
    run(models(keras, inputs, plans, stateful=False), keras)


@BOTH
def test_time_distributed(keras):
    plans = [[["time_distributed"]], [["time_distributed"]] * 2]
    run(models(keras, [["sequences"]], plans, stateful=False), keras)


def test_time_major_layers():
    run(time_major(), "tf_keras")


@BOTH
def test_graphs(keras):
    inputs = [
        ["sequence"],
        ["sequence", "vector"],
        ["sequence", "sequence"],
        ["ids", "sequence"],
        ["sequence", "mask"],
        ["ids", "sequence", "vector", "mask"],
    ]
    anything = list(KINDS)
    plans = [
        [MASKED, *[anything] * before, OVER_TIME, *[anything] * after]
        for before, after in ((1, 1), (0, 2), (2, 0), (2, 2), (0, 4))
    ]
    run(models(keras, inputs, plans), keras, times=2)


def recipe_of(source, *layers, keras="keras"):
    """A model of layers in a row."""
    calls = [{"layer": layer, "of": [i]} for i, layer in enumerate(layers)]
    return {
        "keras": keras,
        "container": "keras",
        "dtype": "float32",
        "model": {"inputs": [source], "calls": calls, "outputs": [len(calls)]},
        "rows": 2,
        "steps": 3,
        "mask_value": 0.0,
        "seed": 0,
    }


def test_a_wrong_number_fails(monkeypatch):
    recipe = recipe_of(
        {"kind": "sequence", "shape": [None, 2]}, {"class": "GRU", "units": 3}
    )
    check(recipe)
    honest = checking.predict
    monkeypatch.setattr(
        checking, "predict", lambda *given: honest(*given) + np.float32(1e-3)
    )
    with pytest.raises(AssertionError, match="padding none, output 0"):
        check(recipe)


def test_a_refusal_that_nobody_expects_fails():
    recipe = recipe_of(
        {"kind": "ids", "shape": [3], "size": 6}, {"class": "Hashing", "num_bins": 3}
    )
    with pytest.raises(gru2np.UnsupportedModelError, match="Hashing"):
        check(recipe)


def test_a_mask_out_of_a_model_inside_time_distributed_is_refused():
    masking = {"class": "Masking", "mask_value": 0.0}
    model = {
        "class": "model",
        "inputs": [{"kind": "sequence", "shape": [None, 3]}],
        "calls": [{"layer": masking, "of": [0]}],
        "outputs": [1],
    }
    recipe = recipe_of(
        {"kind": "sequences", "shape": [2, None, 3]},
        {"class": "TimeDistributed", "layer": model},
        {"class": "TimeDistributed", "layer": {"class": "GRU", "units": 2}},
        keras="tf_keras",
    )
    before = checking.OUTCOMES["refused as expected"]
    check(recipe)
    assert checking.OUTCOMES["refused as expected"] == before + 1
