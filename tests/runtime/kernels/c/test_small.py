"""Weights of float16 and int8 in the compiled kernel."""

import io
import pickle

import numpy as np
import pytest

import goldens
import gru2np
import stored_small
from gru2np_runtime import layers, load
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c.plans import (
    CompiledRecurrence,
    pack_dense,
    pack_recurrent,
)
from gru2np_runtime.plan import Small, Weights
from gru2np_runtime.proof.replay import KERNELS, ROUNDING
from kernel_cases import FEW_ROWS, chain_apart, random_weights, stored, widened
from shared_files import ENTRIES, MODELS

RNG = np.random.default_rng(3)


def product(path, x, small, bias=0.0):
    """x (rows, K) times a kernel, at every width of the library's vectors."""
    found = c_library.open_library(path)
    wide = widened(small)
    layer = layers.Dense(units=wide.shape[1])
    biases = np.full(layer.units, bias, np.float32)
    weights = Weights({"kernel": wide, "bias": biases}, {"kernel": small})
    for width in range(c_library.level(found) + 1):
        packed = pack_dense(found, layer, weights, width)
        yield chain_apart(found, [("dense", packed, 0)], x[:, None])[:, 0]


def quantized(terms, columns):
    """A random kernel of int8."""
    numbers = RNG.integers(-127, 128, (terms, columns), np.int8)
    return Small(numbers, RNG.uniform(1e-3, 2e-3, columns).astype(np.float32))


@pytest.mark.parametrize("terms", [1, 2, 3, 5, 64, 511, 512, 513, 1030, 2000])
@pytest.mark.parametrize("most", [1e-6, 0.3, 1.0, 8.0])
def test_one_row_keeps_16_bits_beside_int8(library, terms, most):
    """The numbers are those of exact sums of a row that was rounded to 16 bits."""
    small = quantized(terms, 37)
    x = RNG.uniform(-most, most, (1, terms)).astype(np.float32)
    scale = np.abs(x).max() / 32767
    numbers = np.rint(x / scale).astype(np.int64)
    sums = (numbers @ small.array.astype(np.int64)).astype(np.float64)
    wanted = sums * scale * small.scales + 0.5
    size = np.abs(numbers) @ np.abs(small.array.astype(np.int64)) * scale * small.scales
    exact = x.astype(np.float64) @ widened(small).astype(np.float64) + 0.5
    bound = most / 65534 * np.abs(widened(small)).sum(axis=0) * 1.01
    for y in product(library, x, small, 0.5):
        # Rounding may decide a tie otherwise: one unit of one number.
        np.testing.assert_array_less(
            np.abs(y - wanted), 4e-7 * size + 127 * scale * small.scales + 1e-7
        )
        assert (np.abs(y - exact) <= bound + 4e-7 * size + 1e-7).all()


@pytest.mark.parametrize("terms", [512, 513, 1024, 4096])
@pytest.mark.parametrize("number", [127, -127, -128])
def test_the_largest_sums_do_not_overflow(library, terms, number):
    small = Small(np.full((terms, 20), number, np.int8), np.ones(20, np.float32))
    for sign in (1, -1):
        x = np.full((1, terms), sign, np.float32)
        for y in product(library, x, small):
            np.testing.assert_allclose(y, sign * terms * float(number), rtol=1e-6)


@pytest.mark.parametrize("most", [8.001, 1e4, 1e30, 1e-31, 0.0])
def test_a_row_that_16_bits_do_not_fit_stays_in_float32(library, most):
    """One large number would push the small ones out, so nothing is rounded."""
    small = quantized(101, 37)
    x = RNG.uniform(-1, 1, (1, 101)).astype(np.float32) * np.float32(min(most, 1))
    x[0, 50] = most
    small.array[50] = 0
    wanted = x.astype(np.float64) @ widened(small).astype(np.float64)
    for y in product(library, x, small):
        np.testing.assert_allclose(y, wanted, 1e-4, 1e-6 * min(most, 1))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3, 40, 66])
def test_numbers_that_are_none_reach_the_sums(library, number, place):
    small = quantized(67, 20)
    x = RNG.uniform(-1, 1, (3, 67)).astype(np.float32)
    x[1, place] = number
    with np.errstate(invalid="ignore"):
        wanted = x @ widened(small)
    for rows in (x, x[1:2]):
        expected = wanted if len(rows) == 3 else wanted[1:2]
        for y in product(library, rows, small):
            np.testing.assert_allclose(y, expected, 1e-5, 1e-4)


def test_every_float16_is_exact(library):
    """Every finite one is multiplied with 1 and with numbers that add nothing."""
    patterns = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = patterns[np.isfinite(patterns)]
    kernel = np.resize(finite, (256, 256))
    wide = kernel.astype(np.float32)
    for k in range(256):
        x = np.zeros((1, 256), np.float32)
        x[0, k] = 1
        for y in product(library, x, Small(kernel)):
            np.testing.assert_array_equal(y[0], wide[k])
    for y in product(library, np.eye(256, dtype=np.float32), Small(kernel)):
        np.testing.assert_array_equal(y, wide)


@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("rows", [17, 18, 24, 50])
@pytest.mark.parametrize("terms", [1, 127, 128, 131, 300])
def test_many_rows_are_those_of_widened_weights(library, storage, rows, terms):
    """The very same numbers: weights are widened, rows stay as they are."""
    weights = {"kernel": RNG.normal(size=(terms, 45)).astype(np.float32)}
    small = stored(weights, storage).small["kernel"]
    x = RNG.normal(size=(rows, terms)).astype(np.float32)
    wide = Small(widened(small))
    pairs = zip(product(library, x, small), product(library, x, wide), strict=True)
    for y, wanted in pairs:
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("rows", [*range(2, 11), FEW_ROWS])
@pytest.mark.parametrize("columns", [3, 20, 37, 70, 130])
def test_few_rows_beside_int8_are_those_of_each_alone(library, rows, columns):
    """Sums are exact, so a row does not depend on the number of rows beside it."""
    small = quantized(530, columns)
    x = RNG.normal(size=(rows, 530)).astype(np.float32) / 2
    # One that stays in float32, and one of zeros.
    x[rows // 2] *= 30
    x[rows // 3] = 0
    together = product(library, x, small)
    alone = zip(*(product(library, x[i : i + 1], small) for i in range(rows)))
    for y, wanted in zip(together, alone, strict=True):
        np.testing.assert_array_equal(y, np.concatenate(wanted))


@pytest.mark.parametrize("rows", [*range(2, 11), FEW_ROWS])
@pytest.mark.parametrize("columns", [3, 20, 37, 70, 130])
def test_several_rows_beside_float16_are_those_of_float32(library, rows, columns):
    """The very same numbers, so that a row depends on no number of rows from 2 on."""
    small = Small(RNG.normal(size=(300, columns)).astype(np.float16))
    x = RNG.normal(size=(rows, 300)).astype(np.float32)
    wide = Small(widened(small))
    pairs = zip(product(library, x, small), product(library, x, wide), strict=True)
    for y, wanted in pairs:
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize(("storage", "share"), [("float16", 0.51), ("int8", 0.27)])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "SimpleRNN"])
def test_small_weights_take_little_memory(library, storage, share, kind):
    found = c_library.open_library(library)
    layer = getattr(layers, kind)(units=128)
    weights = random_weights(layer, 64, RNG)

    def size(weights):
        return pack_recurrent(found, layer, weights)._packed.nbytes

    assert size(stored(weights, storage)) < share * size(weights)


@pytest.mark.parametrize("storage", [None, "float16", "int8"])
def test_what_the_bundle_stores_is_what_runs(library, use, monkeypatch, storage):
    use(library)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    loaded = load(stored_small.exported(store=storage)[0])
    for model in (loaded, pickle.loads(pickle.dumps(loaded))):
        plans = model.graph_plan.plans.values()
        packed = [p.packed for p in plans if isinstance(p, CompiledRecurrence)]
        assert {own.storage for own in packed} == {storage or "float32"}
        assert len(packed) == 3
        text = "c" if storage is None else f"c, {storage} weights"
        assert model.plan().count(text + "\n") == 3


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_kernels_differ_by_a_small_share_of_the_cost(
    library, use, monkeypatch, storage
):
    use(library)
    data, facts = stored_small.exported(store=storage)
    x = np.random.default_rng(2).normal(size=(200, 1, 4)).astype(np.float32)
    outputs = {}
    for kernel in ("numpy", "c"):
        monkeypatch.setenv("GRU2NP_KERNEL", kernel)
        # Stateful, with one row and one step in each call.
        outputs[kernel] = load(data).predict(x, 1)
    away = np.abs(outputs["c"] - outputs["numpy"]).max()
    (cost,) = facts.storage["outputs"].values()
    assert away <= KERNELS[storage] * cost["largest_difference"] + 1e-6


FAITHFUL = [entry for entry in ENTRIES if entry["status"] in ("full", "derived")]


@pytest.mark.skipif(not ENTRIES, reason="shared/models is not here")
def test_kernels_differ_little_in_models_that_people_trained(library, use, monkeypatch):
    use(library)
    atol, rtol = ROUNDING["float32"]
    small = 0
    for entry in FAITHFUL:
        folder = MODELS / entry["folder"]
        weights = entry["weights"] and folder / entry["weights"]
        data = [io.BytesIO(), io.BytesIO()]
        for out, kind in zip(data, (None, "int8"), strict=True):
            path = folder / entry["model"] if entry["model"] else None
            facts = gru2np.export(path, out, weights=weights, store=kind)
        if not facts.stored_small[0]:
            continue
        small += 1
        with np.load(folder / entry["oracle"]) as arrays:
            rows = entry["batch"] or 1
            x = [arrays[name][:rows] for name in entry["inputs"]]
        full, numpy, c = (
            outputs(out.getvalue(), x, kernel, monkeypatch)
            for out, kernel in ((data[0], "numpy"), (data[1], "numpy"), (data[1], "c"))
        )
        for exact, wanted, y in zip(full, numpy, c, strict=True):
            cost, most = np.abs(wanted - exact).max(), np.abs(exact).max()
            allowed = KERNELS["int8"] / 4 * cost + atol + rtol * most
            assert np.abs(y - wanted).max() <= allowed, entry["model"]
    assert small == 28


def outputs(data, x, kernel, monkeypatch):
    """What a bundle gives on a kernel, with zero states if it has some."""
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    model = load(data)
    return goldens.flat(model.predict(dict(zip(model.input_names, x, strict=True))))
