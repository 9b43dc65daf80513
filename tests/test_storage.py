"""Small storage: what is kept smaller, how near it stays, and that its cost is said."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

import goldens
import gru2np
from gru2np import storage
from gru2np.cli import cli
from gru2np.verification import cases, storage_cost
from gru2np.verification.comparison import Tolerance
from gru2np_runtime import Model, load
from gru2np_runtime.bundle.opening import open_bundle

# Three stateful GRUs of 24 units.
STACK = goldens.Golden(goldens.FIXTURES / "keras-2.1" / "stateful_stack")
MODEL = STACK.files()[0]
# Encoder and decoder over images, six outputs that small kernels move.
IMAGES = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "conv_lstm_states")
FLOAT64 = goldens.FIXTURES / "keras-3.15" / "float64_model" / "model.keras"
TINY = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
RNG = np.random.default_rng(7)


def exported(model=MODEL, **options):
    """The bytes of a bundle and what its export said."""
    out = io.BytesIO()
    facts = gru2np.export(model, out, **options)
    return out.getvalue(), facts


@pytest.fixture(scope="module")
def full():
    return exported()[0]


@pytest.fixture(scope="module", params=storage.KINDS)
def small(request):
    return request.param, *exported(store=request.param)


def test_kernels_are_small_and_nothing_else(small, full):
    kind, data, facts = small
    opened = open_bundle(data)
    kinds = {own.path.split("/")[-1]: own.dtype for own in opened.manifest.weights}
    assert kinds == {"kernel": kind, "recurrent_kernel": kind, "bias": "float32"}
    assert facts.stored_small == (6, 11)
    before, after = (
        sum(array.nbytes for array in own.stored.values())
        for own in (open_bundle(full), opened)
    )
    assert after < {"float16": 0.55, "int8": 0.36}[kind] * before


def test_every_weight_is_as_near_as_its_kind_can_be(small, full):
    kind, data, _ = small
    exact, found = open_bundle(full).weights(), open_bundle(data)
    for own in found.manifest.weights:
        value, wanted = found.weights()[own.path], exact[own.path]
        if own.dtype == "float32":
            np.testing.assert_array_equal(value, wanted)
        elif kind == "float16":
            np.testing.assert_array_equal(value, wanted.astype(np.float16))
        else:
            step = np.abs(wanted).max(axis=0, keepdims=True) / 127
            assert (np.abs(value - wanted) <= 0.501 * step).all()
            assert own.scale.shape == wanted.shape[1:]


@pytest.mark.parametrize("kind", storage.KINDS)
def test_outputs_stay_as_near_to_keras_as_was_said(kind):
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


def test_what_saturated_gates_cost_stands_apart():
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


def test_the_same_model_is_the_same_bytes():
    assert exported(store="int8")[0] == exported(store="int8")[0]


AXES = {
    "dense": ("kernel", "dense", (30, 20), 1),
    "conv": ("kernel", "conv", (3, 10, 20), 2),
    "transposed": ("kernel", "conv_transpose", (3, 20, 10), 1),
    "depthwise": ("depthwise_kernel", "depthwise_conv", (5, 5, 20, 1), 2),
    "embeddings": ("embeddings", "embedding", (50, 10), 0),
}


@pytest.mark.parametrize("case", AXES)
def test_scales_run_along_the_axis_of_the_outputs(case):
    """A column a thousand times as small as the others keeps its digits."""
    name, op, shape, axis = AXES[case]
    array = RNG.normal(size=shape).astype(np.float32)
    np.moveaxis(array, axis, 0)[3] *= 1e-3
    small = storage.stored(array, name, op, "int8")
    assert (small.axis, small.scales.shape) == (axis, (shape[axis],))
    along = [1] * array.ndim
    along[axis] = -1
    value = small.array * small.scales.reshape(along)
    away = np.moveaxis(np.abs(value - array), axis, 0)[3].max()
    assert away < 1e-3 * 4 / 127
    assert np.abs(small.array).max() == 127


STAY = {
    "a bias": ("bias", "gru", RNG.normal(size=(2, 600))),
    "a norm": ("gamma", "layer_normalization", RNG.normal(size=(30, 30))),
    "one of a user's own": ("kernel", "custom>MDN", RNG.normal(size=(30, 30))),
    "a small one": ("kernel", "dense", RNG.normal(size=(15, 17))),
    "one of few rows": ("kernel", "gru", RNG.normal(size=(3, 300))),
    "NaN": ("kernel", "dense", np.full((30, 30), np.nan)),
    "infinity": ("kernel", "dense", np.full((30, 30), np.inf)),
}


@pytest.mark.parametrize("case", STAY)
def test_what_gains_nothing_or_has_another_meaning_stays(case):
    name, op, array = STAY[case]
    array = array.astype(np.float32)
    small = storage.stored(array, name, op, "int8")
    assert small.array is array
    assert small.scales is None


def test_a_number_beyond_float16_keeps_its_weight_as_it_is():
    array = np.full((30, 30), 7e4, np.float32)
    assert storage.stored(array, "kernel", "dense", "float16").array is array
    assert storage.stored(array, "kernel", "dense", "int8").array.dtype == np.int8


def test_a_column_of_zeros_stays_zero():
    array = RNG.normal(size=(30, 30)).astype(np.float32)
    array[:, 4] = 0
    small = storage.stored(array, "kernel", "dense", "int8")
    assert not small.array[:, 4].any()
    assert small.scales[4] == 0


def test_a_float64_model_is_refused(tmp_path):
    out = tmp_path / "m.npz"
    arguments = ["export", str(FLOAT64), "-o", str(out), "--store", "int8"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 3
    assert "computes in float64" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused():
    with pytest.raises(gru2np.InputError, match="expected float16 or int8, got 'int4'"):
        exported(store="int4")


def test_a_model_of_small_weights_is_not_called_small(tmp_path):
    arguments = ["export", str(TINY), "-o", str(tmp_path / "m.npz"), "--store", "int8"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0
    assert "no weight is large enough for int8" in result.stderr
    assert load(tmp_path / "m.npz").storage is None


def test_the_cost_is_printed_kept_and_shown(tmp_path):
    out = tmp_path / "m.npz"
    arguments = ["export", str(MODEL), "-o", str(out), "--store", "int8", "--json"]
    result = CliRunner().invoke(cli, arguments)
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
