"""What small storage costs, and that it is said."""

import json

import numpy as np
import pytest

import goldens
import gru2np
from command_line import run
from gru2np import storage
from gru2np.verification import cases, storage_cost
from gru2np.verification.comparison import Tolerance
from gru2np_runtime import Model, load
from stored_small import MODEL, exported

# Encoder and decoder over images, six outputs that small kernels move.
IMAGES = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "conv_lstm_states")


@pytest.fixture(scope="module")
def full():
    return exported()[0]


@pytest.fixture(scope="module", params=storage.KINDS)
def small(request):
    return request.param, *exported(store=request.param)


@pytest.mark.parametrize("kind", storage.KINDS)
def test_outputs_stay_within_the_measured_cost(kind):
    data, facts = exported(IMAGES.files()[0], store=kind)
    model = load(data)
    assert facts.storage == model.storage
    outputs = goldens.flat(model.predict(IMAGES.arrays(0, "x")))
    stated = facts.storage["outputs"]
    assert list(stated) == model.output_names
    moved = {"float16": 1e-4, "int8": 1e-3}[kind]
    for name, got, y in zip(stated, outputs, IMAGES.arrays(0, "y"), strict=True):
        assert got.dtype == np.float32
        away, most = np.abs(got - y).max(), np.abs(y).max()
        assert moved / 10 < away / most <= 2 * stated[name]["relative"]
        assert moved < stated[name]["relative"] < 50 * moved


def test_the_cost_at_saturated_gates_is_given_separately():
    """A hundred times as large as real ones, such inputs say nothing of those."""
    _, facts = exported(IMAGES.files()[0], store="int8")
    ordinary, apart = facts.storage["outputs"], facts.storage["saturated"]
    assert apart["decoder"]["relative"] > 10 * ordinary["decoder"]["relative"]
    usual = Tolerance(0.0, 0.0)
    for case, costs in (("saturated", apart), ("typical", ordinary)):
        own = storage_cost.tolerance(facts.storage, "decoder", usual, case)
        assert own.rtol == 2 * costs["decoder"]["relative"]


def test_the_cost_is_the_one_of_the_inputs_that_verify_draws(small, full):
    _, data, facts = small
    exact, model = load(full), load(data)
    worst = {"outputs": 0.0, "saturated": 0.0}
    for case in cases.draw(exact.graph, exact.weights, exact.input_names, 0):
        for own in (exact, model):
            own.reset_states()
        # Built for a batch of one.
        y, got = (own.predict(dict(case.inputs), 1) for own in (exact, model))
        key = "saturated" if case.name == "saturated" else "outputs"
        worst[key] = max(worst[key], np.abs(got - y).max())
    for key, largest in worst.items():
        (cost,) = facts.storage[key].values()
        assert largest <= cost["largest_difference"] <= 1.011 * largest
        assert 0 < cost["root_mean_square"] < cost["largest_difference"]
    assert facts.storage["inputs"] == "seed 0"


def test_what_overflows_with_small_kernels_is_refused(monkeypatch, tmp_path):
    def overflowing(self, x, batch_size=None):
        y = right(self, x, batch_size)
        return y if self.storage is None else y * np.float32(np.inf)

    right = Model.predict
    monkeypatch.setattr(Model, "predict", overflowing)
    with pytest.raises(
        gru2np.VerificationError, match="as int8, the model gives infinite"
    ):
        gru2np.export(MODEL, tmp_path / "m.npz", store="int8")
    assert not list(tmp_path.iterdir())


def test_the_cost_is_printed_kept_and_shown(tmp_path):
    out = tmp_path / "m.npz"
    arguments = ["export", str(MODEL), "-o", str(out), "--store", "int8", "--json"]
    result = run(*arguments)
    assert result.exit_code == 0
    assert "6 weights as int8; outputs move by up to " in result.stderr
    record = json.loads(result.stdout)
    assert record["stored_small"] == 6
    assert record["storage"] == load(out).storage
    report = gru2np.inspect(out)
    assert report.storage == {**record["storage"], "weights": 6}
    assert "6 weights as int8" in str(report)
    assert "kernels stored as int8" in str(load(out))


def test_what_verify_holds_such_a_bundle_to():
    stated = {"dtype": "int8", "inputs": "seed 0", "outputs": {}}
    stated["outputs"]["y"] = {
        "largest_difference": 0.5,
        "relative": 0.01,
        "root_mean_square": 0.1,
    }
    usual = Tolerance(1e-6, 1e-5)
    assert storage_cost.tolerance(stated, "y", usual, "typical") == Tolerance(
        1e-6, 0.02001
    )
    stated["outputs"]["y"]["relative"] = 0.0
    assert storage_cost.tolerance(stated, "y", usual, "typical") == Tolerance(
        1.000001, 1e-5
    )
    assert "2 times the measured cost" in storage_cost.note(stated)
