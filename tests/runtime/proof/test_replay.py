"""A bundle's proof is replayed with NumPy alone."""

import numpy as np
import pytest

import goldens
import proofs
import stored_small
from gru2np_runtime import BundleError, Model, kernel, load
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.proof.checking import check
from gru2np_runtime.proof.replay import difference

# One of each kind: masks, two inputs, dict outputs, ids, states, whole numbers.
NAMES = (
    "keras-2.2/gru",
    "keras-2.2/embedding_mask",
    "keras-3.15/dict_outputs",
    "keras-3.15/encoder_decoder",
    "keras-3.15/float64_model",
    "keras-3.15/gru_options",
    "keras-3.15/mask_bidirectional",
    "keras-3.15/mixed_stack",
    "keras-3.15/several_inputs_outputs",
    "keras-3.15/stateful",
    "keras-3.15/whole_numbers",
)
GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")


def golden_of(name):
    return goldens.Golden(goldens.FIXTURES / name)


@pytest.fixture(scope="module")
def bundle():
    return proofs.golden_proved(GRU)


@pytest.fixture(params=["numpy", "c"])
def kernel_here(request, monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", request.param)
    monkeypatch.setattr("gru2np_runtime.kernels.c.library._warned", set())
    if request.param == "c":
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("GRU2NP_KERNEL")
            if kernel() != "c":
                pytest.skip("the compiled kernel is not built")
    return request.param


def checked(data):
    opened = open_bundle(data)
    return check(opened, opened.model())


@pytest.mark.parametrize("name", NAMES)
def test_a_proof_is_replayed(name, kernel_here):
    golden = golden_of(name)
    found = checked(proofs.golden_proved(golden))
    assert not found.problems
    assert sum(own.numbers for own in found.whole) == sum(
        y.size for y in golden.arrays(0, "y")
    )
    assert f"kernel: {kernel_here}" in str(found)
    load(proofs.golden_proved(golden), check=True)


def steps_of(found, output):
    return {own.how for own in found.steps if own.output == output}


def test_every_step_of_a_sequence_is_compared():
    """Sequences at every step beside Keras; last steps where Keras gave no more."""
    found = checked(proofs.golden_proved(golden_of("keras-2.2/embedding_mask")))
    (name,) = load(golden_of("keras-2.2/embedding_mask").bundle()).output_names
    assert steps_of(found, name) == {f"step {t}" for t in range(7)}
    assert "step by step: 1 of 1 case, " in str(found)
    cells = golden_of("keras-3.15/stacked_cells")
    found = checked(proofs.golden_proved(cells))
    sequence, last = load(cells.bundle()).output_names[:2]
    assert steps_of(found, sequence) == {f"step {t}" for t in range(5)}
    assert steps_of(found, last) == {"step 4"}


def test_steps_whose_sequence_so_far_may_be_run_too():
    """Where Keras gave the last step alone, some others are this runtime's own."""
    found = checked(proofs.golden_proved(GRU))
    assert steps_of(found, "gru_1") == {f"step {t}" for t in range(6)}


def test_a_model_that_cannot_step_is_noted_with_the_reason():
    found = checked(proofs.golden_proved(golden_of("keras-3.15/mask_bidirectional")))
    assert not found.steps
    assert "not run: this model cannot run step by step: layer" in str(found)


def test_a_fault_of_the_steps_alone_is_found(bundle, monkeypatch):
    def wrong(self, x, state):
        y, state = right(self, x, state)
        return y + np.float32(0.01), state

    right = Model.step
    monkeypatch.setattr(Model, "step", wrong)
    found = checked(bundle)
    assert all(own.agrees for own in found.whole)
    assert "step 0: difference 1.0e-2 of" in found.problems[0]
    with pytest.raises(BundleError, match="output 'gru_1', step 0"):
        load(bundle, check=True)


def test_another_model_is_found(bundle):
    """All hashes are as the manifest says; the numbers are not what Keras gave."""
    changed = proofs.another_weight(bundle)
    load(changed)
    with pytest.raises(BundleError, match=r"does not hold here \(kernel: .*'gru_1'"):
        load(changed, check=True)


def test_a_difference_within_what_is_allowed_is_none():
    x, y = GRU.arrays(0, "x"), GRU.arrays(0, "y")
    shifted = [array + np.float32(1e-3) for array in y]
    data = proofs.proved(GRU.bundle(), x, shifted, allowed=2e-3)
    assert not checked(data).problems
    data = proofs.proved(GRU.bundle(), x, shifted, allowed=5e-4)
    assert "of 5.0e-4 allowed" in checked(data).problems[0]


def test_a_stateful_model_carries_its_states_and_is_left_at_zero():
    golden = golden_of("keras-3.15/stateful")
    calls = [
        (golden.arrays(i, "x"), golden.arrays(i, "y")) for i in range(golden.calls)
    ]
    x = [np.concatenate([x[0] for x, _ in calls])]
    y = [np.concatenate([y[0] for _, y in calls])]
    data = proofs.proved(golden.bundle(), x, y, calls=len(calls))
    model = load(data, check=True)
    first = x[0][: len(x[0]) // len(calls)]
    np.testing.assert_array_equal(model.predict(first), load(data).predict(first))
    with pytest.raises(
        BundleError, match=f"expected calls of equal size, got {len(x[0]) - 1} "
    ):
        load(proofs.proved(golden.bundle(), x, y, calls=len(x[0]) - 1))


@pytest.mark.parametrize(
    ("got", "wanted", "expected"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([np.inf], [np.inf], 0.0),
        ([np.inf], [-np.inf], np.inf),
        ([3, 4], [3, 6], 2.0),
        ([2**62], [2**62 + 1], 1.0),
        ([True], [False], 1.0),
        ([[1.0]], [1.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_differences(got, wanted, expected):
    assert difference(np.array(got), np.array(wanted)) == expected


@pytest.mark.parametrize(("kind", "share"), [("float16", 0.0), ("int8", 1 / 32)])
def test_kernels_may_differ_by_a_share_of_what_small_storage_costs(kind, share):
    data, facts = stored_small.exported(store=kind)
    model = load(data)
    x = np.random.default_rng(2).normal(size=(5, 1, 4)).astype(np.float32)
    y = model.predict(x, 1)
    proved = proofs.proved(data, [x], [y], allowed=1e-3, calls=5)
    case = checked(proved).whole[0]
    (cost,) = facts.storage["outputs"].values()
    own = share * cost["relative"] * float(np.abs(y).max())
    assert case.allowed == pytest.approx(1e-3 + own)
    assert (own > 1e-6) == (kind == "int8")
