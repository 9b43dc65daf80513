"""Random models of a real Keras give its numbers, or are refused as expected."""

from __future__ import annotations

import numpy as np
import pytest

import gru2np
from needs_keras import MARKS
from random_models import checking
from random_models.checking import check
from random_models.examples import STRATEGIES, run

pytestmark = [
    *MARKS,
    # What Keras itself warns of while it builds a model is not tested here.
    pytest.mark.filterwarnings("ignore"),
]
# Old Keras takes seconds to build one.
EXAMPLES = {"keras": 8, "tf_keras": 4}


@pytest.mark.parametrize(
    ("keras", "name"), STRATEGIES, ids=[" ".join(row) for row in STRATEGIES]
)
def test_random_models(keras, name):
    """Some; ``make proof`` draws thousands."""
    run(STRATEGIES[keras, name], EXAMPLES[keras] * (2 if name == "graphs" else 1))


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
