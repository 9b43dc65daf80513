"""Scorer: what a cluster asks of a model, and the same numbers as in one process."""

import inspect
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import goldens
from gru2np_runtime import BundleError, InputError, Scorer, load
from gru2np_runtime.files import scorer as scorer_module

GRU = "keras-2.2/gru"
SEVERAL = "keras-3.15/several_inputs_outputs"
NAMED = "keras-3.15/dict_outputs"


def golden_of(case):
    return goldens.Golden(goldens.FIXTURES / case)


def written(golden, folder):
    path = folder / "model.npz"
    path.write_bytes(golden.bundle())
    return path


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    monkeypatch.setattr(scorer_module, "_models", {})


@pytest.fixture
def gru(tmp_path):
    return written(golden_of(GRU), tmp_path)


@pytest.fixture
def opened(monkeypatch):
    """An entry for each bundle that is loaded."""
    calls = []

    def counted(content, **options):
        calls.append(len(content))
        return load(content, **options)

    monkeypatch.setattr(scorer_module, "load", counted)
    return calls


def test_a_block_equals_the_output_of_keras(gru):
    golden = golden_of(GRU)
    (x,), (y,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    for size in (None, 1, 3):
        golden.close(Scorer(gru, batch_size=size)(x), y)
    # Blocks of any length are the rows of one run.
    blocks = [Scorer(gru)(x[i : i + 2]) for i in range(0, len(x), 2)]
    golden.close(np.concatenate(blocks), y)


def test_it_is_a_path_and_opens_when_it_is_called(gru, opened, monkeypatch, tmp_path):
    monkeypatch.chdir(gru.parent)
    scorer = Scorer("model.npz", batch_size=4)
    assert len(pickle.dumps(scorer)) < 500
    assert opened == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    again = pickle.loads(pickle.dumps(scorer))
    x = golden_of(GRU).arrays(0, "x")[0]
    np.testing.assert_array_equal(again(x), scorer(x))
    assert len(opened) == 1
    assert repr(again) == f"Scorer({str(gru)!r}, batch_size=4)"


def test_threads_open_it_once(gru, opened):
    x = golden_of(GRU).arrays(0, "x")[0]
    begin, found = threading.Barrier(4), []

    def work():
        begin.wait()
        found.append(Scorer(gru)(x))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    for y in found:
        np.testing.assert_array_equal(y, found[0])


def test_another_process_opens_it_by_itself(gru, tmp_path):
    (x,), (y,) = golden_of(GRU).arrays(0, "x"), golden_of(GRU).arrays(0, "y")
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "scorer.pickle").write_bytes(pickle.dumps(Scorer(gru)))
    code = (
        "import pickle, numpy as np\n"
        "scorer = pickle.load(open('scorer.pickle', 'rb'))\n"
        "np.save('y.npy', scorer(np.load('x.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    golden_of(GRU).close(np.load(tmp_path / "y.npy"), y)


def test_a_bundle_that_changed_while_work_went_on_is_refused(gru):
    scorer = Scorer(gru)
    assert scorer.model is scorer.model
    sent = pickle.dumps(scorer)
    gru.write_bytes(golden_of("keras-2.2/gru_options").bundle())
    # This process goes on with what it has; another would mix two models.
    assert pickle.loads(sent).model is scorer.model
    scorer_module._models.clear()
    with pytest.raises(BundleError, match="with which the work began, SHA-256"):
        pickle.loads(sent).model  # noqa: B018
    # Where no work has begun, the bundle is what it is.
    assert Scorer(gru).model.input_names == load(gru).input_names


def test_a_stateful_model_is_refused(tmp_path):
    path = written(golden_of("keras-3.15/stateful"), tmp_path)
    with pytest.raises(
        BundleError, match="rows of a stateful model depend on earlier rows"
    ):
        Scorer(path).model  # noqa: B018


def test_what_is_missing_or_no_bundle(tmp_path):
    with pytest.raises(FileNotFoundError):
        Scorer(tmp_path / "none.npz")(np.zeros(3))
    (tmp_path / "m.npz").write_bytes(b"no bundle")
    with pytest.raises(BundleError, match=r"m\.npz: "):
        Scorer(tmp_path / "m.npz")(np.zeros(3))
    with pytest.raises(
        InputError, match="batch_size: expected an integer from 1, got 0"
    ):
        Scorer(tmp_path / "m.npz", batch_size=0)


# Several inputs and outputs; blocks by name, as Ray gives them


@pytest.mark.parametrize("case", [SEVERAL, NAMED])
def test_several_in_order_or_by_name(tmp_path, case):
    golden = golden_of(case)
    scorer = Scorer(written(golden, tmp_path))
    xs, ys = golden.arrays(0, "x"), golden.arrays(0, "y")
    by_name = dict(zip(scorer.model.input_names, xs))
    in_order = scorer(*xs) if len(xs) > 1 else scorer(xs[0])
    for found in (in_order, scorer({**by_name})):
        for y, expected in zip(goldens.flat(found), ys):
            golden.close(y, expected)
    found = scorer({**by_name, "label": np.zeros(len(xs[0]))})
    assert list(found) == scorer.model.output_names
    for name, expected in zip(found, ys):
        golden.close(found[name], expected)


def test_columns_of_a_block(gru, tmp_path):
    golden, scorer = golden_of(GRU), Scorer(gru)
    (x,), (y,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    golden.close(scorer({"data": x})["gru_1"], y)
    golden.close(scorer({"gru_1_input": x, "id": np.arange(len(x))})["gru_1"], y)
    with pytest.raises(InputError, match="expected columns gru_1_input, got a, b"):
        scorer({"a": x, "b": x})


# Shape and dtype, known before there is a row


# Neither kind can be shared out without more ado: see above, and test_custom_objects.
REFUSED = ("stateful", "custom", "conv_lstm_states")
EVERY = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden) and not any(part in golden.name for part in REFUSED)
]


@pytest.mark.parametrize(
    "golden", goldens.some(EVERY, 23), ids=lambda golden: golden.name
)
def test_shape_and_dtype_are_those_of_the_output(golden, tmp_path):
    scorer = Scorer(written(golden, tmp_path))
    model, xs = scorer.model, golden.arrays(0, "x")
    ys = goldens.flat(scorer(*xs) if len(xs) > 1 else scorer(xs[0]))
    shapes, dtypes = scorer.output_shape(*(x.shape for x in xs)), scorer.output_dtype
    declared = scorer.output_shape()
    if len(ys) == 1:
        shapes, dtypes, declared = [shapes], [dtypes], [declared]
    for shape, dtype, y in zip(shapes, dtypes, ys):
        assert dtype == y.dtype
        assert len(shape) == y.ndim
        # What depends on the numbers themselves stays open.
        assert all(n in (None, m) for n, m in zip(shape, y.shape))
    assert declared == model.output_shapes


def test_shapes_of_open_sizes_and_wrong_ones(gru, tmp_path):
    scorer = Scorer(gru)
    assert scorer.output_shape() == (None, 3)
    assert scorer.output_shape((None, 7, 4)) == (None, 3)
    assert scorer.output_shape((100, 7, 4)) == (100, 3)
    assert scorer.output_dtype == np.float32
    assert (scorer.meta.shape, scorer.meta.dtype) == ((0, 3), np.float32)
    with pytest.raises(InputError, match="axis 2: expected 4"):
        scorer.output_shape((100, 7, 5))
    with pytest.raises(InputError, match="expected 3 axes"):
        scorer.output_shape((100, 7))
    with pytest.raises(InputError, match="expected shapes of 1 inputs"):
        scorer.output_shape((100, 7, 4), (1,))


def test_meta_of_several(tmp_path):
    scorer = Scorer(written(golden_of(SEVERAL), tmp_path))
    outputs = golden_of(SEVERAL).arrays(0, "y")
    assert [m.ndim for m in scorer.meta] == [y.ndim for y in outputs]
    assert all(len(m) == 0 for m in scorer.meta)
    assert [m.dtype for m in scorer.meta] == scorer.output_dtype


# Spark


def test_what_spark_asks_for(gru, tmp_path):
    golden = golden_of(GRU)
    predict = Scorer(gru).make_predict_fn()
    assert len(inspect.signature(predict).parameters) == 1
    golden.close(predict(golden.arrays(0, "x")[0]), golden.arrays(0, "y")[0])
    golden = golden_of(SEVERAL)
    scorer = Scorer(written(golden, tmp_path))
    predict = scorer.make_predict_fn()
    xs = golden.arrays(0, "x")
    assert len(inspect.signature(predict).parameters) == len(xs)
    # A list would be taken for a list of rows.
    found = predict(*xs)
    assert list(found) == scorer.model.output_names
    for name, expected in zip(found, golden.arrays(0, "y")):
        golden.close(found[name], expected)


@pytest.mark.parametrize("case", ["stacked_cells_nested", "embedding"])
def test_a_row_for_spark_is_one_flat_array(tmp_path, case):
    golden = golden_of(f"keras-3.15/{case}")
    predict = Scorer(written(golden, tmp_path)).make_predict_fn()
    ys = golden.arrays(0, "y")
    assert ys[0].ndim == 3
    found = predict(*golden.arrays(0, "x"))
    found = list(found.values()) if isinstance(found, dict) else [found]
    for y, expected in zip(found, ys):
        assert y.ndim == 2
        golden.close(y, expected.reshape(len(expected), -1))


def test_importing_the_package_does_not_import_it():
    code = "import sys, gru2np_runtime as r; print('gru2np_runtime.files.scorer' in "
    code += "sys.modules, r.Scorer.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}
    )
    assert done.stdout == "False Scorer\n"


def test_sizes_cost_no_memory(tmp_path):
    """A billion rows of ids are checked as fast as one."""
    scorer = Scorer(written(golden_of("keras-3.15/categories_left_out"), tmp_path))
    ids = scorer.model.graph.inputs[0]
    shape = (10**9, *(n or 5 for n in ids.shape[1:]))
    tracemalloc.start()
    found = scorer.output_shape(shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {shape[0] for shape in found} == {10**9}
    assert peak < 2**20
