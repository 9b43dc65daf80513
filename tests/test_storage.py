"""Small storage: what is kept smaller, how near it stays, and that its cost is said."""

import numpy as np
import pytest

import goldens
import gru2np
from command_line import run
from gru2np import storage
from gru2np_runtime import load
from gru2np_runtime.bundle.opening import open_bundle
from stored_small import exported

FLOAT64 = goldens.FIXTURES / "keras-3.15" / "float64_model" / "model.keras"
TINY = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
RNG = np.random.default_rng(7)


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
def test_other_weights_stay_as_they_are(case):
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
    result = run(*arguments)
    assert result.exit_code == 3
    assert "computes in float64" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused():
    with pytest.raises(gru2np.InputError, match="expected float16 or int8, got 'int4'"):
        exported(store="int4")


def test_a_model_of_small_weights_is_not_called_small(tmp_path):
    arguments = ["export", str(TINY), "-o", str(tmp_path / "m.npz"), "--store", "int8"]
    result = run(*arguments)
    assert result.exit_code == 0
    assert "no weight is large enough for int8" in result.stderr
    assert load(tmp_path / "m.npz").storage is None
