"""Bundles that earlier versions of gru2np wrote load, and give what they gave."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np
from example_files import example
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.container import MANIFEST, read_members
from gru2np_runtime.bundle.manifest import SOURCE
from proofs import opened, written

FOLDER = Path(__file__).parent / "bundles" / "version-1"
OWN = example("custom_layer").CUSTOM
# The fixture that each was exported from, and how.
CASES = {
    "custom": ("keras-3.15/custom_layers", {"custom_objects": OWN}),
    "gru": ("keras-2.2/gru", {}),
    "half": ("keras-3.15/float16_model", {}),
    "masked": ("keras-3.15/mask_time_distributed", {}),
    "nested": ("keras-3.15/nested_twice", {}),
    "proved": ("keras-3.15/lstm", {}),
    "stateful": ("keras-2.2/stateful", {}),
}
SMALL = dict.fromkeys(("float16", "int8"), "keras-3.15/conv_lstm_axes")


def old(name):
    return (FOLDER / f"{name}.npz").read_bytes()


def exported(case, options):
    out = io.BytesIO()
    model, weights = goldens.Golden(goldens.FIXTURES / case).files()
    gru2np.export(model, out, weights=weights, **options)
    return out.getvalue()


def manifest(bundle):
    return json.loads(bytes(read_members(bundle)[MANIFEST]))


def predicted(bundle, golden, own=None):
    model = load(bundle, custom_objects=own)
    return [
        goldens.flat(model.predict(golden.arrays(call, "x")))
        for call in range(golden.calls)
    ]


def test_every_bundle_there_is_one_of_these():
    assert {path.stem for path in FOLDER.iterdir()} == CASES.keys() | SMALL.keys()
    assert {manifest(old(name))["version"] for name in (*CASES, *SMALL)} == {1}


@pytest.mark.parametrize("name", CASES)
def test_a_bundle_of_version_1_equals_keras(name):
    case, options = CASES[name]
    golden = goldens.Golden(goldens.FIXTURES / case)
    own = options.get("custom_objects")
    outputs = predicted(old(name), golden, own)
    for call, ys in enumerate(outputs):
        for y, expected in zip(ys, golden.arrays(call, "y"), strict=True):
            golden.close(y, expected)
    # And to the bit what the model exported anew gives.
    again = predicted(exported(case, options), golden, own)
    for ys, others in zip(outputs, again, strict=True):
        for y, other in zip(ys, others, strict=True):
            np.testing.assert_array_equal(y, other)


@pytest.mark.parametrize("kind", SMALL)
def test_small_storage_of_version_1_is_read(kind):
    golden = goldens.Golden(goldens.FIXTURES / SMALL[kind])
    model = load(old(kind), check=True)
    assert model.storage["dtype"] == kind
    inputs = golden.arrays(0, "x")
    ys, exact = (
        goldens.flat(own.predict(inputs)) for own in (model, load(golden.bundle()))
    )
    for name, y, wanted in zip(model.output_names, ys, exact, strict=True):
        stated = model.storage["outputs"][name]["largest_difference"]
        assert np.abs(y - wanted).max() <= 4 * stated
    assert any((y != wanted).any() for y, wanted in zip(ys, exact, strict=True))
    # Weights that were made small are told from the others.
    small = [
        record
        for layer in manifest(old(kind))["graph"]["layers"].values()
        for record in layer["weights"].values()
        if record["dtype"] == kind
    ]
    assert gru2np.inspect(FOLDER / f"{kind}.npz").storage["weights"] == len(small) > 0


def test_a_proof_of_version_1_is_replayed():
    load(old("proved"), check=True)
    record, members = opened(old("proved"))
    (case,) = record["proof"]["cases"][:1]
    (output,) = case["outputs"].values()
    output["sha256"] = "0" * 64
    with pytest.raises(BundleError, match="proof#0"):
        load(written(record, members), check=True)


def test_version_1_knows_no_key_of_version_2():
    for key, value in (("custom", {}), ("surprise", 1)):
        record, members = opened(old("gru"))
        record[key] = value
        with pytest.raises(BundleError, match=rf"unknown key - at `\$.{key}`"):
            load(written(record, members))
    record, members = opened(old("gru"))
    layer = next(iter(record["graph"]["layers"].values()))
    layer["weights"]["kernel"]["storage"] = {"dtype": "float16"}
    with pytest.raises(BundleError, match="unknown key"):
        load(written(record, members))


def test_what_is_written_now_is_version_2():
    case, options = CASES["custom"]
    record = manifest(exported(case, options))
    assert record["version"] == 2
    assert sorted(record["source"]) == sorted(SOURCE)
    assert record["custom"] == {
        name: {"kind": "layer", "per_step": None} for name in OWN
    }
    assert "custom" not in manifest(exported(*CASES["gru"]))
