"""Verify with a real Keras, in child processes of some seconds each."""

from __future__ import annotations

import io
import json
from importlib import import_module

import numpy as np
import pytest

import gru2np
from command_line import run_verify
from gru2np_runtime import load
from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members
from gru2np_runtime.bundle.opening import read_bundle
from modelfiles import model_of
from needs_keras import needs_keras
from shared_files import CASES, MODELS

OLD = "keras-2.1/mixed_stack"


@needs_keras
def test_a_model_of_keras_3_agrees_layer_by_layer(tmp_path):
    """Its nested model is called twice, so calls are numbered across models."""
    model, bundle, page = model_of("keras-3.15/nested_twice"), "m.npz", "page.html"
    bundle, page = tmp_path / bundle, tmp_path / page
    gru2np.export(model, bundle)
    result = run_verify(model, bundle, "--layers", "--record", "--report", page)
    assert result.exit_code == 0, result.stderr
    assert f"wrote {page}" in result.stderr
    assert "</html>" in page.read_text("utf-8")
    assert "Both assume" in page.read_text("utf-8")
    assert "Both assume: " in result.stdout
    assert "recorded in m.npz: " in result.stderr
    load(bundle, check=True)
    assert json.loads(bytes(read_members(bundle.read_bytes())[MANIFEST]))["proof"]
    assert result.stdout.splitlines()[-1].startswith("agree: ")
    assert "#1" in result.stdout
    assert "not compared" not in result.stdout
    assert "Keras 3" in result.stdout.splitlines()[-1]


@needs_keras
def test_an_old_model_of_keras_2_agrees_in_tf_keras():
    """Keras 2.1 wrote no ``reset_after``; tf-keras would take it for true."""
    result = run_verify(model_of(OLD), "--layers", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["agree"]
    assert answer["first_difference"] is None
    assert any("computes what Keras 2.1" in text for text in answer["assumptions"])
    assert answer["missed"] == []
    assert answer["cases"][0]["name"] == "typical"
    assert all(case["agree"] and case["seed"] == 0 for case in answer["cases"])
    assert answer["reference"].startswith("tf-keras 2")
    assert "reset_after=False" in answer["notes"][0]
    assert {"GRU", "LSTM"} <= {layer["class_name"] for layer in answer["layers"]}


@needs_keras
def test_a_damaged_bundle_differs_and_its_layer_is_named(tmp_path):
    out = io.BytesIO()
    gru2np.export(model_of(OLD), out)
    data = out.getvalue()
    manifest = bytes(read_members(data)[MANIFEST])
    _, arrays = read_bundle(data)
    path = next(name for name in arrays if name.endswith("gru_2/kernel"))
    z, r, h = np.split(arrays[path], 3, axis=1)
    arrays[path] = np.concatenate([r, z, h], axis=1)
    with (tmp_path / "damaged.npz").open("wb") as file:
        writer = Writer(file)
        for name, array in arrays.items():
            writer.add_array(name, array)
        writer.add(MANIFEST, manifest)
        writer.close()
    options = ["--layers", "--seed", "3", "--case", "saturated", "--record"]
    before = (tmp_path / "damaged.npz").read_bytes()
    result = run_verify(model_of(OLD), tmp_path / "damaged.npz", *options)
    assert result.exit_code == 1, result.stderr
    assert "nothing is recorded, because outputs differ" in result.stderr
    assert (tmp_path / "damaged.npz").read_bytes() == before
    lines = result.stdout.splitlines()
    assert lines[-2].startswith("first difference: layer gru_2 (GRU): ")
    assert "from float64" in lines[-2]
    assert lines[1].startswith("input ")
    assert lines[1].endswith(" float32, seed 3, case saturated")
    assert lines[-1].startswith("differ: 1 of 1 output")
    marked = next(line for line in lines if line.endswith("< first"))
    assert marked.startswith("gru_2")


@needs_keras
def test_a_model_that_amplifies_rounding_neither_agrees_nor_differs():
    """Two LSTM of large weights: after 40 random ids a last digit is half of all."""
    model = MODELS / "textgenrnn_cudnn" / "hacker_news_cudnn_full.h5"
    if not model.exists():
        pytest.skip("shared/models is not here")
    result = run_verify(model, "--case", "odd-batch")
    assert result.exit_code == 3
    assert "no two programs agree on it; --layers compares" in result.stderr
    assert result.stdout == ""


@needs_keras
def test_states_are_carried_from_batch_to_batch():
    verify = import_module("gru2np.verification.verify").verify
    found = verify(model_of("keras-3.15/stateful_masked"), layers=True)
    assert found.agrees
    assert found.first_difference is None
    assert found.layers


@needs_keras
def test_what_keras_cannot_load_is_run_as_upgraded():
    """Keras 3 cannot load its own HDF5 files once masks have left ops in them."""
    result = run_verify(model_of("keras-3.15/mask_merges_two_h5"))
    assert result.exit_code == 0
    assert "cannot load this file" in f"{result.stdout}{result.stderr}"
    assert "on the upgraded file" in result.stdout


@needs_keras
def test_a_constant_softmax_is_noted(tmp_path):
    """A softmax of one number: Keras reads the name as the runtime does."""
    path = CASES / "own_softmax_over_time" / "m.keras"
    if not path.exists():
        pytest.skip(f"no {path}")
    gru2np.export(path, tmp_path / "m.npz")
    found = gru2np.verify(path, tmp_path / "m.npz")
    assert found.agrees
    assert any("softmax over an axis of length 1" in note for note in found.notes)
