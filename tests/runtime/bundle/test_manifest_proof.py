"""Rules of docs/bundle.md on proofs and on small storage: each broken is refused."""

import copy
import io

import numpy as np
import pytest

import goldens
import proofs
from gru2np_runtime import BundleError, load

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")
DELETED = object()
INPUT, OUTPUT = "gru_1_input", "gru_1"


@pytest.fixture(scope="module")
def bundle():
    return proofs.golden_proved(GRU)


def changed(bundle, path, value, *, drop=(), more=None):
    """The bundle with a value put at a path of its manifest."""
    manifest, members = proofs.opened(bundle)
    manifest = copy.deepcopy(manifest)
    target = manifest
    for key in path[:-1]:
        target = target[key]
    if value is DELETED:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    members = {name: data for name, data in members.items() if name not in drop}
    return proofs.written(manifest, {**members, **(more or {})})


CASE = ["proof", "cases", 0]
ARRAY = [*CASE, "outputs", OUTPUT]
PROOF = {
    "no reference": (["proof", "reference"], DELETED, r"nothing - at `\$.proof.refer"),
    "no runtime": (["proof", "runtime"], 1, r"expected `str`, got `int`"),
    "seed": (["proof", "seed"], -1, r"int of 0 or more, or null"),
    "seed no number": (["proof", "seed"], True, r"at `\$.proof.seed`"),
    "no case": (["proof", "cases"], [], "expected a case"),
    "unknown key": (["proof", "more"], 1, r"unknown key - at `\$.proof.more`"),
    "unknown key of a case": ([*CASE, "more"], 1, "unknown key"),
    "unknown key of an output": ([*ARRAY, "more"], 1, "unknown key"),
    "unknown key of an input": ([*CASE, "inputs", INPUT, "more"], 1, "unknown key"),
    "no name": ([*CASE, "name"], DELETED, r"at `\$.proof.cases\[0\].name`"),
    "no description": ([*CASE, "description"], None, r"got `null`"),
    "no calls": ([*CASE, "calls"], 0, "expected calls of equal size"),
    "calls that do not fit": ([*CASE, "calls"], 3, r"got 3 for \[5\] rows"),
    "no input": ([*CASE, "inputs"], {}, "got nothing"),
    "another input": ([*CASE, "inputs", "more"], {}, "unknown key"),
    "no output": ([*CASE, "outputs"], {}, "got nothing"),
    "dtype": ([*ARRAY, "dtype"], "float64", "expected one of float32"),
    "shape": ([*ARRAY, "shape"], [5, 4], r"a shape like \[None, 3\], got \[5, 4\]"),
    "rank": ([*CASE, "inputs", INPUT, "shape"], [5, 6], "expected a shape like"),
    "hash": ([*ARRAY, "sha256"], "0", "name or hash"),
    "no largest": ([*ARRAY, "largest_difference"], DELETED, "got nothing"),
    "a largest beyond": ([*ARRAY, "largest_difference"], 1.0, "what is allowed"),
    "nan": ([*ARRAY, "allowed"], "nan", "expected `number`, got `str`"),
    "negative": ([*ARRAY, "allowed"], -1, "expected 0 or more"),
    "infinite": ([*ARRAY, "allowed"], 10**400, "expected 0 or more"),
    "bool": ([*ARRAY, "allowed"], True, "expected `number`"),
}


@pytest.mark.parametrize("rule", PROOF)
def test_a_broken_proof_is_refused(bundle, rule):
    path, value, message = PROOF[rule]
    with pytest.raises(BundleError, match=message):
        load(changed(bundle, path, value))


def test_a_case_twice_is_refused(bundle):
    manifest, members = proofs.opened(bundle)
    manifest["proof"]["cases"] *= 2
    more = {name.replace("#0", "#1"): data for name, data in members.items()}
    with pytest.raises(BundleError, match="two cases are named 'given'"):
        load(proofs.written(manifest, {**members, **more}))


def test_arrays_of_a_proof_are_all_there_and_no_others(bundle):
    name = f"proof#0/outputs/{OUTPUT}.npy"
    with pytest.raises(BundleError, match=f"'{name}' is missing"):
        load(changed(bundle, ["name"], "x", drop=[name]))
    with pytest.raises(BundleError, match=f"'{name}' is not in the manifest"):
        load(changed(bundle, ["proof"], DELETED, drop=[f"proof#0/inputs/{INPUT}.npy"]))


def test_an_array_of_a_proof_has_the_header_of_its_record(bundle):
    name = f"proof#0/outputs/{OUTPUT}.npy"
    with pytest.raises(BundleError, match="as the manifest says"):
        load(changed(bundle, ["name"], "x", more={name: np.zeros((5, 2), "float32")}))


# Small storage

COST = {"largest_difference": 0.01, "relative": 0.02, "root_mean_square": 0.002}
KERNEL = ["graph", "layers", OUTPUT, "weights", "kernel"]


def in_bytes(bundle=None):
    """The bundle of a GRU with its kernel as int8, made by the rules."""
    manifest, members = proofs.opened(bundle or GRU.bundle())
    kernel = np.load(io.BytesIO(bytes(members[f"{OUTPUT}/kernel.npy"])))
    scales = (np.abs(kernel).max(axis=0) / 127).astype(np.float32)
    small = np.rint(kernel / scales).astype(np.int8)
    members[f"{OUTPUT}/kernel.npy"] = small
    members[f"{OUTPUT}/kernel#scale.npy"] = scales
    scale = {"axis": 1, "sha256": proofs.record_of(scales)["sha256"]}
    record = {**proofs.record_of(small), "storage": {"dtype": "int8", **scale}}
    manifest["graph"]["layers"][OUTPUT]["weights"]["kernel"] = record
    manifest["storage"] = {
        "dtype": "int8",
        "inputs": "seed 0",
        "outputs": {OUTPUT: COST},
    }
    return proofs.written(manifest, members), small, scales


def test_int8_weights_are_loaded_as_floats():
    data, small, scales = in_bytes()
    model = load(data, check=True)
    kernel = model.get_layer(OUTPUT).weights["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, small.astype(np.float32) * scales)
    assert not kernel.flags.writeable
    assert model.storage["dtype"] == "int8"
    assert "kernels stored as int8" in str(model)
    assert load(GRU.bundle()).storage is None
    (x,) = GRU.arrays(0, "x")
    exact = load(GRU.bundle()).predict(x)
    away = np.abs(model.predict(x) - exact).max()
    assert 0 < away < 0.02


STORAGE = {
    "no storage": (["storage"], DELETED, r"weights of float32, int8, got None"),
    "another storage": (["storage", "dtype"], "float16", "got float16 - at `"),
    "unknown storage": (["storage", "dtype"], "int4", "expected one of float16, int8"),
    "unknown key": (["storage", "more"], 1, "unknown key"),
    "no inputs": (["storage", "inputs"], DELETED, "got nothing"),
    "no outputs": (["storage", "outputs"], {}, "got nothing"),
    "no cost": (["storage", "outputs", OUTPUT], {}, "got nothing"),
    "no cost of saturated gates": (["storage", "saturated"], {}, "got nothing"),
    "a cost below 0": (
        ["storage", "outputs", OUTPUT],
        {**COST, "relative": -1},
        "expected 0 or more",
    ),
    "no scale": (
        [*KERNEL, "storage"],
        DELETED,
        "storage of weights of float",
    ),
    "no axis": ([*KERNEL, "storage", "axis"], DELETED, "got nothing"),
    "axis": ([*KERNEL, "storage", "axis"], 2, r"an axis of \[4, 9\]"),
    "axis below 0": ([*KERNEL, "storage", "axis"], -1, r"an axis of \[4, 9\]"),
    "axis of another size": ([*KERNEL, "storage", "axis"], 0, "as the manifest says"),
    "unknown key of a scale": ([*KERNEL, "storage", "more"], 1, "unknown key"),
    "hash of a scale": ([*KERNEL, "storage", "sha256"], "z" * 64, "name or hash"),
    "of another dtype": (
        [*KERNEL, "dtype"],
        "float16",
        "weight's float16, got",
    ),
    "scale of floats": ([*KERNEL, "storage", "dtype"], "float16", "the weight's int8"),
}


@pytest.mark.parametrize("rule", STORAGE)
def test_broken_storage_is_refused(rule):
    path, value, message = STORAGE[rule]
    data, _, _ = in_bytes()
    with pytest.raises(BundleError, match=message):
        load(changed(data, path, value))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_scale_that_is_none_is_refused(value):
    data, _, scales = in_bytes()
    name = f"{OUTPUT}/kernel#scale.npy"
    wrong = np.where(np.arange(len(scales)) == 3, np.float32(value), scales)
    with pytest.raises(BundleError, match="expected finite scales of 0 or more"):
        load(changed(data, ["name"], "x", more={name: wrong.astype(np.float32)}))


def test_a_changed_scale_is_found_by_its_hash():
    data, _, scales = in_bytes()
    name = f"{OUTPUT}/kernel#scale.npy"
    other = changed(data, ["name"], "x", more={name: scales * np.float32(2)})
    load(other)
    with pytest.raises(BundleError, match=f"- {OUTPUT}/kernel#scale"):
        load(other, check=True)


def test_storage_that_no_weight_is_of_is_refused():
    manifest, members = proofs.opened(GRU.bundle())
    outputs = {OUTPUT: COST}
    manifest["storage"] = {"dtype": "float16", "inputs": "", "outputs": outputs}
    with pytest.raises(BundleError, match="expected the storage of weights of float32"):
        load(proofs.written(manifest, members))
