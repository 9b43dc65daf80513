"""A sample of the random graphs of operations of ``make proof``, as Keras has them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from goldens import FIXTURES
from masked_models import judge

SAMPLE = sorted(path.parent for path in FIXTURES.glob("random_ops/*/*/case.json"))


def named(folder):
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", SAMPLE, ids=named)
def test_random_graphs_of_operations(folder):
    """On every kernel, whole, one row alone and step by step."""
    assert judge(folder) is None


def test_the_sample_holds_most_operations():
    recipes = [json.loads((path / "recipe.json").read_text("utf-8")) for path in SAMPLE]
    names = {step[0] for recipe in recipes for step in recipe["steps"]}
    assert len(SAMPLE) >= 15
    assert len(names) >= 35
    assert {path.parent.name for path in SAMPLE} == {
        *("tf-2.4", "tf-2.10", "tf-keras-2.21", "keras-3.5", "keras-3.15")
    }


def test_a_wrong_number_fails(tmp_path):
    folder = tmp_path / "case"
    shutil.copytree(SAMPLE[0], folder)
    with np.load(folder / "io.npz") as data:
        arrays = dict(data)
    arrays["call0.y0"] = arrays["call0.y0"] + np.float32(0.5)
    np.savez(folder / "io.npz", **arrays)
    with pytest.raises(AssertionError, match="call 0, output 0"):
        judge(folder)
