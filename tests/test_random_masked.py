"""A sample of the random masked models of ``make proof``, as their Keras saved them."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import metadata

import numpy as np
import pytest

from goldens import FIXTURES
from masked_models import Recorder, judge, pruned, shrunk

SAMPLE = sorted(path.parent for path in FIXTURES.glob("random_masked/*/*/case.json"))


def named(folder):
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", SAMPLE, ids=named)
def test_random_masked_models(folder):
    """On every kernel, whole, one row alone and step by step."""
    assert judge(folder) is None


def test_a_wrong_number_fails(tmp_path):
    folder = tmp_path / "case"
    shutil.copytree(SAMPLE[0], folder)
    with np.load(folder / "io.npz") as data:
        arrays = dict(data)
    arrays["call0.y0"] = arrays["call0.y0"] + np.float32(0.5)
    np.savez(folder / "io.npz", **arrays)
    with pytest.raises(AssertionError, match="call 0, output 0"):
        judge(folder)


def test_what_no_output_depends_on_is_left_out():
    layer = {"class": "GRU", "units": 2}
    call = {"spread": False, "tensors": {}, "options": {}, "gives": 1}
    calls = [
        {**call, "layer": {"class": "Masking"}, "of": [0]},
        {**call, "layer": layer, "of": [2], "gives": 2},
        {**call, "layer": 1, "of": [1], "gives": 2, "tensors": {"initial_state": 4}},
        {**call, "layer": {"class": "Add"}, "of": [5, 5]},
    ]
    inputs = [{"kind": "sequence", "shape": [None, size]} for size in (3, 4)]
    # The call of the second input is left out, and not the layer that it shares.
    unshared = [*calls[:2], {**calls[2], "tensors": {}}, calls[3]]
    less, kept = pruned({"inputs": inputs, "calls": unshared}, [7])
    assert kept == [1]
    assert less == {
        "inputs": inputs[1:],
        "calls": [
            {**unshared[2], "layer": layer, "of": [0]},
            {**calls[3], "of": [1, 1]},
        ],
        "outputs": [3],
    }
    whole, kept = pruned({"inputs": inputs, "calls": calls}, [7])
    assert kept == [0, 1]
    assert whole == {"inputs": inputs, "calls": calls, "outputs": [7]}


@pytest.mark.tensorflow
def test_a_model_is_a_function_of_its_seed_and_what_fails_is_made_smaller():
    pytest.importorskip("tensorflow")
    committed = next(path for path in SAMPLE if path.parent.name == "keras-3.15")
    version = json.loads((committed / "case.json").read_text())["keras_version"]
    if metadata.version("keras") != version:
        pytest.skip(f"needs Keras {version}")
    with Recorder("keras-3.15", sys.executable) as recorder:
        folder = recorder.record(int(committed.name))
        for name in ("recipe.json", "case.json"):
            facts = [json.loads((p / name).read_text()) for p in (folder, committed)]
            assert facts[0] == facts[1]

        def fails(path):
            return "Masking" in json.loads((path / "case.json").read_text())["classes"]

        recipe = json.loads((folder / "recipe.json").read_text("utf-8"))
        smallest = shrunk(recorder, recipe, 0, fails)["model"]
        assert [call["layer"]["class"] for call in smallest["calls"]] == ["Masking"]
