"""Models that other people trained, beside the outputs of the Keras that saved them."""

import io
from functools import partial

import numpy as np
import pytest

import goldens
import gru2np
from gru2np_runtime import load
from shared_files import ENTRIES, MODELS

pytestmark = pytest.mark.skipif(not ENTRIES, reason="shared/models is not here")


def name(entry):
    return f"{entry['folder']}/{entry['model']}"


def exported(entry):
    folder = MODELS / entry["folder"]
    weights = entry["weights"] and folder / entry["weights"]
    out = io.BytesIO()
    gru2np.export(folder / entry["model"], out, weights=weights)
    return out.getvalue()


# Keras' own outputs are 1.8e-5 from what float64 gives here: two that round as well as
# Keras may be twice that apart.
ATOL = {"textgenrnn_cudnn/hacker_news_cudnn_full.h5": 5e-5}
FAITHFUL = [entry for entry in ENTRIES if entry["status"] in ("full", "derived")]
CUSTOM = [entry for entry in ENTRIES if entry["status"] == "custom-layer"]


@pytest.mark.parametrize("entry", FAITHFUL, ids=name)
def test_a_real_model_equals_its_keras(entry):
    close = partial(assert_close, atol=ATOL.get(name(entry), goldens.ATOL))
    model = load(exported(entry))
    with np.load(MODELS / entry["folder"] / entry["oracle"]) as data:
        oracle = {key: data[key] for key in data.files}
    inputs = dict(zip(model.input_names, map(oracle.get, entry["inputs"]), strict=True))
    for key in entry.get("outputs_first_call", []):
        close(goldens.flat(model.predict(inputs))[0], oracle[key])
    outputs = goldens.flat(model.predict(inputs))
    for y, key in zip(outputs, entry["outputs"], strict=True):
        close(y, oracle[key])
    activations = model.activations(inputs) if entry["taps"] else {}
    for tap in entry["taps"]:
        y = activations[tap.removeprefix("tap_")]
        close(y[0] if isinstance(y, list) else y, oracle[tap])


def assert_close(y, expected, atol):
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=goldens.RTOL, atol=atol)


@pytest.mark.parametrize("entry", CUSTOM, ids=name)
def test_a_custom_layer_is_refused_by_name(entry):
    with pytest.raises(gru2np.UnsupportedModelError) as refusal:
        exported(entry)
    (problem,) = refusal.value.problems
    assert problem.class_name.rpartition(">")[2] in ("MDN", "SelfAttention")
    assert problem.class_name in str(refusal.value)
    assert repr(problem.layer) in str(refusal.value)
