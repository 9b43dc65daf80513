"""Prediction from file to file, in constant memory."""

import io
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import gru2np
from command_line import run_predict
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import InputError, load
from gru2np_runtime.files.prediction import predict_file
from modelfiles import bundle_of, recorded, with_keys
from small_models import BIAS, KERNEL, write_h5

GRU = "keras-2.2/get_weights_explained"


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", recorded(GRU)[0][0])
    return tmp_path / "x.npy"


def test_json_and_quiet(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    result = run_predict(
        bundle, "-i", data, "-o", out, "--json", "-q", "--batch-size", 2
    )
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "schema": "gru2np/predict/1",
        "output": str(out),
        "rows": 5,
        "batch_size": 2,
        "outputs": [{"name": "dense_1", "shape": [5, 1], "dtype": "float32"}],
    }


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", ">f4", "int32", "bool", "float16"])
def test_every_batch_size_and_dtype_gives_the_same(bundle, tmp_path, order, dtype):
    rng = np.random.default_rng(0)
    x = np.asarray(rng.normal(size=(11, 3, 1)) * 3, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    expected = load(bundle).predict(x.astype("float32"))
    for size in (1, 3, 11, 100):
        out = tmp_path / f"{size}.npy"
        predict_file(load(bundle), tmp_path / "x.npy", out, batch_size=size)
        np.testing.assert_allclose(np.load(out), expected, atol=1e-6)


@pytest.mark.parametrize("out", ["y.npy", "y.npz", "-"])
def test_no_rows(bundle, tmp_path, out):
    np.save(tmp_path / "x.npy", np.zeros((0, 3, 1), "float32"))
    target = out if out == "-" else tmp_path / out
    result = run_predict(bundle, "-i", tmp_path / "x.npy", "-o", target)
    assert result.exit_code == 0
    assert "dense_1 (0, 1) float32" in result.stderr


def test_stateful_models_take_their_own_batch(tmp_path):
    case = "keras-2.2/stateful"
    bundle = bundle_of(case, tmp_path / "m.npz")
    (x,), _ = recorded(case)
    rows = load(bundle).input_shapes[0][0]
    long = np.concatenate([x, x])
    np.save(tmp_path / "x.npy", long)
    done = predict_file(load(bundle), tmp_path / "x.npy", tmp_path / "y.npy")
    assert done.batch_size == rows
    model = load(bundle)
    expected = np.concatenate([model.predict(x), model.predict(x)])
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)
    np.save(tmp_path / "x.npy", long[:-1])
    result = run_predict(bundle, "-i", tmp_path / "x.npy", "-o", tmp_path / "z.npy")
    assert result.exit_code == EXIT_CODES["refused"]
    assert f"built for batches of {rows}" in result.stderr
    assert not (tmp_path / "z.npy").exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_memory_does_not_grow_with_the_file(bundle, tmp_path, suffix):
    """What is added to the file is not added to the peak; buffers fill meanwhile."""
    model = load(bundle)
    few, many = 3_000, 600_000

    def peak(rows):
        x, y = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
        data = np.zeros((rows, 3, 1))
        np.save(x, data) if suffix == ".npy" else np.savez(x, x=data)
        del data
        tracemalloc.start()
        predict_file(model, x, y)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(few)  # The first call imports and packs.
    added = {"inputs": 3 * 8 * (many - few), "outputs": 4 * (many - few)}
    assert peak(many) - peak(few) < 0.8 * min(added.values())


# The largest of 5000 steps of two features, then the Dense layer of the small models.
POOLED = {
    "class_name": "Sequential",
    "config": {
        "name": "m",
        "layers": [
            {
                "class_name": "GlobalMaxPooling1D",
                "config": {"name": "p", "batch_input_shape": [None, 5000, 2]},
            },
            {"class_name": "Dense", "config": {"name": "d", "units": 3}},
        ],
    },
}
MEASURED = """
import resource, sys
from gru2np_runtime import load
from gru2np_runtime.files.prediction import predict_file
model = load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
predict_file(model, sys.argv[2], sys.argv[3], batch_size=100)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no rusage, no sparse files")
@pytest.mark.parametrize("columns_first", [False, True])
def test_a_large_file_takes_little_memory(tmp_path, columns_first):
    from numpy.lib import format as npy

    config = with_keys(POOLED, "tf.keras", "2.15.1")
    write_h5(tmp_path / "model.h5", model_config=json.dumps(config))
    gru2np.export(tmp_path / "model.h5", tmp_path / "model.npz")
    rows, shape = 5000, (5000, 2)
    path, out = tmp_path / "x.npy", tmp_path / "y.npy"
    header = {"descr": "<f4", "fortran_order": columns_first, "shape": (rows, *shape)}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, header)
        start = file.tell()
        # The first row's last feature at the last step; or the last row's, by columns.
        file.seek(start + 4 * 9999 if not columns_first else start + 4 * 49_999_999)
        file.write(np.float32(2).tobytes())
        file.truncate(start + 4 * rows * 10_000)
    command = [sys.executable, "-c", MEASURED, tmp_path / "model.npz", path, out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    y, expected = np.load(out), np.tile(BIAS, (rows, 1))
    expected[-1 if columns_first else 0] += 2 * KERNEL[1]
    np.testing.assert_array_equal(y, expected)
    # The input is 195,000 kB of memory where it is read or its pages stay.
    assert int(done.stdout) < 100_000


def test_existing_output_is_kept(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    out.write_bytes(b"precious")
    result = run_predict(bundle, "-i", data, "-o", out)
    assert result.exit_code == EXIT_CODES["usage"]
    assert "--force" in result.stderr
    assert out.read_bytes() == b"precious"
    same = run_predict(bundle, "-i", data, "-o", data, "--force")
    assert same.exit_code == EXIT_CODES["usage"]
    assert "is the input itself" in same.stderr
    over = run_predict(bundle, "-i", data, "-o", bundle, "--force")
    assert over.exit_code == EXIT_CODES["usage"]


def test_interrupted_halfway(bundle, data, tmp_path, monkeypatch):
    calls = []

    def interrupt(*_arguments, **_options):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("gru2np_runtime.files.outputs.RowWriter.add", interrupt)
    before = sorted(tmp_path.iterdir())
    result = run_predict(bundle, "-i", data, "-o", tmp_path / "y.npy")
    assert result.exit_code == EXIT_CODES["interrupted"]
    assert calls
    assert sorted(tmp_path.iterdir()) == before


def test_batches_that_give_fewer_rows_are_refused(bundle, data, tmp_path, monkeypatch):
    model = load(bundle)

    def shorter(_model, x, batch_size):
        return x["gru_1_input"][:1, 0]

    monkeypatch.setattr(type(model), "predict", shorter)
    with pytest.raises(InputError, match="does not give one row for each of 5 rows"):
        predict_file(model, data, tmp_path / "y.npy", batch_size=2)
    assert not (tmp_path / "y.npy").exists()
    predict_file(model, data, tmp_path / "y.npy")
    assert np.load(tmp_path / "y.npy").shape == (1, 1)


def test_outputs_that_are_no_rows_cannot_be_joined():
    from gru2np_runtime.files.outputs import RowWriter

    writer = RowWriter(io.BytesIO())
    writer.add(np.ones((2, 3)), 4)
    with pytest.raises(InputError, match="do not fit into one array"):
        writer.add(np.ones((2, 4)), 4)
