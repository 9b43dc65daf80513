"""Putting a proof into a bundle: what Keras gave, and only where the two agree."""

from dataclasses import replace

import numpy as np
import pytest

import goldens
import gru2np
import proofs
from command_line import run
from gru2np.errors import VerificationError
from gru2np.verification.proof import record
from gru2np.verification.verify import verify
from gru2np_runtime import Model, load
from gru2np_runtime.__main__ import EXIT_CODES, main
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.proof.checking import check
from needs_keras import needs_keras

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")
STATEFUL = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "stateful")
IMAGES = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "conv_lstm_states")
FIXED_BATCH = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "fixed_batch")


def inputs_of(golden, call=0):
    return golden.arrays(call, "x")


def verified(golden, bundle=None, *, shift=0.0):
    """A verification beside the outputs that Keras once gave."""
    y = [array + array.dtype.type(shift) for array in golden.arrays(0, "y")]
    model, weights = golden.files()
    return verify(model, bundle, inputs=inputs_of(golden), expected=y, weights=weights)


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(GRU.bundle())
    return path


def manifest_of(path):
    return proofs.opened(path.read_bytes())[0]


def test_outputs_of_keras_are_recorded_in_the_bundle(bundle):
    recorded = record(bundle, verified(GRU, bundle))
    with np.load(bundle, allow_pickle=False) as data:
        (x,), (y,) = inputs_of(GRU), GRU.arrays(0, "y")
        np.testing.assert_array_equal(data["proof#0/inputs/gru_1_input"], x)
        np.testing.assert_array_equal(data["proof#0/outputs/gru_1"], y)
    got = load(bundle, check=True).predict(x)
    proof = manifest_of(bundle)["proof"]
    assert proof["reference"] == "recorded outputs"
    assert proof["seed"] is None
    (case,) = proof["cases"]
    assert (case["name"], case["calls"]) == ("given", 1)
    output = case["outputs"]["gru_1"]
    largest = np.abs(got - y).max()
    assert output["largest_difference"] == pytest.approx(largest, abs=1e-12)
    margin = 2e-5 + 1e-4 * np.abs(y).max()
    assert output["allowed"] == pytest.approx(largest + margin, rel=1e-6)
    assert str(recorded).startswith("recorded in model.npz: 1 case, ")
    assert recorded.numbers == y.size


def test_names_with_a_slash_are_safe_names_of_members(tmp_path):
    golden = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "slash_names")
    path = tmp_path / "model.npz"
    path.write_bytes(golden.bundle())
    record(path, verified(golden, path))
    assert "proof#0/inputs/part%2Finput" in open_bundle(path).stored
    load(path, check=True)


def test_nothing_else_of_the_bundle_changes(bundle):
    before, weights = proofs.opened(bundle.read_bytes())
    record(bundle, verified(GRU, bundle))
    after, members = proofs.opened(bundle.read_bytes())
    assert after.pop("proof")
    assert after == before
    assert {k: bytes(members[k]) for k in weights} == {
        k: bytes(v) for k, v in weights.items()
    }


def test_a_new_proof_takes_the_place_of_the_old_one(bundle):
    found = verified(GRU, bundle)
    cases = found.evidence.cases * 2
    cases = tuple(replace(own, name=f"case-{i}") for i, own in enumerate(cases))
    several = replace(found, evidence=replace(found.evidence, cases=cases))
    record(bundle, found)
    alone = bundle.read_bytes()
    assert record(bundle, several).cases == 2
    opened = open_bundle(bundle)
    assert check(opened, opened.model()).cases == 2
    record(bundle, found)
    assert bundle.read_bytes() == alone


def test_what_disagrees_is_not_recorded(bundle):
    before = bundle.read_bytes()
    with pytest.raises(VerificationError, match="outputs differ from those of Keras"):
        record(bundle, verified(GRU, bundle, shift=0.01))
    assert bundle.read_bytes() == before


def test_another_bundle_than_the_verified_one_is_not_recorded_in(bundle):
    found = verified(GRU, bundle)
    other = proofs.another_weight(GRU.bundle())
    bundle.write_bytes(other)
    with pytest.raises(VerificationError, match="the difference from recorded"):
        record(bundle, found)
    assert bundle.read_bytes() == other
    assert [path.name for path in bundle.parent.iterdir()] == ["model.npz"]


def test_a_fault_of_the_steps_alone_is_not_recorded(bundle, monkeypatch):
    found, before = verified(GRU, bundle), bundle.read_bytes()
    right = Model.step

    def wrong(self, x, state):
        y, state = right(self, x, state)
        return y + np.float32(0.01), state

    monkeypatch.setattr(Model, "step", wrong)
    with pytest.raises(VerificationError, match=r"nothing is recorded: .*, step 0: "):
        record(bundle, found)
    assert bundle.read_bytes() == before


def test_rounding_beyond_the_tolerance_is_recorded_with_room(bundle):
    """Verified as rounding: elsewhere it may be as large, in the other direction."""
    shift = 1e-3
    found = verified(GRU, bundle, shift=shift)
    (case,) = found.evidence.cases
    compared = tuple(replace(own, reason="", rounding=True) for own in case.compared)
    cases = (replace(case, compared=compared),)
    record(bundle, replace(found, evidence=replace(found.evidence, cases=cases)))
    output = manifest_of(bundle)["proof"]["cases"][0]["outputs"]["gru_1"]
    assert output["largest_difference"] == pytest.approx(shift, rel=1e-2)
    assert output["allowed"] == pytest.approx(9 * shift, rel=1e-2)


def test_states_carried_between_calls_are_recorded_as_such(tmp_path):
    path = tmp_path / "stateful.npz"
    path.write_bytes(STATEFUL.bundle())
    calls = range(STATEFUL.calls)
    x, y = (
        np.concatenate([STATEFUL.arrays(i, kind)[0] for i in calls]) for kind in "xy"
    )
    record(path, verify(STATEFUL.files()[0], path, inputs=x, expected=y))
    (case,) = manifest_of(path)["proof"]["cases"]
    assert case["calls"] == STATEFUL.calls > 1
    load(path, check=True)


def test_rows_of_a_batch_that_was_fixed_are_one_call(tmp_path):
    """Without states, rows of several batches do not depend on each other."""
    path = tmp_path / "fixed.npz"
    path.write_bytes(FIXED_BATCH.bundle())
    rows = [0, 1, 2, 3, 2]
    (x,) = inputs_of(FIXED_BATCH)
    y = [array[rows] for array in FIXED_BATCH.arrays(0, "y")]
    record(path, verify(FIXED_BATCH.files()[0], path, inputs=x[rows], expected=y))
    assert manifest_of(path)["proof"]["cases"][0]["calls"] == 1


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_the_proof_of_small_storage_is_of_the_weights_as_trained(kind, tmp_path):
    path = tmp_path / "small.npz"
    model, _ = IMAGES.files()
    gru2np.export(model, path, store=kind)
    found = verified(IMAGES, path)
    assert any(f"stored as {kind}" in note for note in found.notes)
    record(path, found)
    opened = open_bundle(path)
    checked = check(opened, opened.model())
    assert not checked.problems
    assert f"kernels stored as {kind}: " in str(checked)
    outputs = manifest_of(path)["proof"]["cases"][0]["outputs"]
    names = load(path).output_names
    for name, y in zip(names, IMAGES.arrays(0, "y"), strict=True):
        margin = 2e-5 + 1e-4 * np.abs(y).max()
        largest = outputs[name]["largest_difference"]
        assert outputs[name]["allowed"] == pytest.approx(largest + margin)
        assert largest > 1e-5
    # What the model gives in full precision is another number.
    full = open_bundle(IMAGES.bundle()).model()
    got = goldens.flat(full.predict(inputs_of(IMAGES)))
    small = goldens.flat(load(path).predict(inputs_of(IMAGES)))
    assert not np.array_equal(got[0], small[0])


@needs_keras
def test_small_weights_are_recorded_with_keras_own_outputs(tmp_path, capsys):
    """NumPy alone finds them again."""
    model, _ = IMAGES.files()
    out = tmp_path / "m.npz"
    names = load(IMAGES.bundle()).input_names
    np.savez(tmp_path / "x.npz", **dict(zip(names, inputs_of(IMAGES), strict=True)))
    gru2np.export(model, out, store="int8")
    arguments = ["verify", str(model), str(out), "--record"]
    arguments += ["--input", str(tmp_path / "x.npz")]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "recorded in m.npz: 1 case, " in result.stderr
    assert load(out).storage["inputs"] == "seed 0"
    stored, names = open_bundle(out).stored, load(out).output_names
    for name, y in zip(names, IMAGES.arrays(0, "y"), strict=True):
        IMAGES.close(stored[f"proof#0/outputs/{name}"], y, name)
    assert main(["check", str(out)]) == EXIT_CODES["done"]
    assert "compared with Keras 3." in capsys.readouterr().out


@needs_keras
def test_what_verify_draws_is_recorded_case_by_case(tmp_path, capsys):
    masked = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "embedding_mask")
    model, weights = masked.files()
    path = tmp_path / "m.npz"
    path.write_bytes(masked.bundle())
    arguments = ["verify", str(model), str(path), "--record"]
    arguments += [] if weights is None else ["--weights", str(weights)]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    proof = manifest_of(path)["proof"]
    assert proof["seed"] == 0
    names = [case["name"] for case in proof["cases"]]
    assert "one-step" in names
    assert len(names) > 5
    assert main(["check", str(path)]) == EXIT_CODES["done"]
    said = capsys.readouterr().out
    assert f"proof: {len(names)} cases" in said
    assert "step by step: " in said
