"""Prediction from and to arrays in files: formats, memory, wrong data."""

import io
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from click.testing import CliRunner

import gru2np
import gru2np_runtime.__main__ as runtime_main
from gru2np.cli import cli
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import InputError, load
from gru2np_runtime.files.prediction import predict_file
from modelfiles import fixture, recorded, with_keys
from small_models import BIAS, KERNEL, write_h5

GRU = "keras-2.2/get_weights_explained"
SEVERAL = "keras-2.2/several_inputs_outputs"


def run(*arguments, **options):
    return CliRunner().invoke(cli, ["predict", *map(str, arguments)], **options)


def exported(case, path, name="model.h5"):
    gru2np.export(fixture(case, name), path)
    return path


@pytest.fixture
def bundle(tmp_path):
    return exported(GRU, tmp_path / "model.npz")


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", recorded(GRU)[0][0])
    return tmp_path / "x.npy"


def test_npy_to_npy(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    result = run(bundle, "-i", data, "-o", out)
    assert result.stdout == f"{out}\n"
    assert result.stderr == f"wrote {out}: dense_1 (5, 1) float32\n"
    np.testing.assert_allclose(np.load(out), recorded(GRU)[1][0], atol=2e-5)
    assert np.load(out).dtype == np.float32


def test_json_and_quiet(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    result = run(bundle, "-i", data, "-o", out, "--json", "-q", "--batch-size", 2)
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "output": str(out),
        "rows": 5,
        "batch_size": 2,
        "outputs": [{"name": "dense_1", "shape": [5, 1], "dtype": "float32"}],
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("gru_1_input",), ("anything",)])
def test_npz_by_name_or_alone(bundle, tmp_path, save, names):
    (x,), (y,) = recorded(GRU)
    save(tmp_path / "x.npz", **dict.fromkeys(names, x))
    result = run(bundle, "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert result.exit_code == 0
    with np.load(tmp_path / "y.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["dense_1"], y, atol=2e-5)


def test_several_inputs_and_outputs(tmp_path):
    bundle = exported(SEVERAL, tmp_path / "m.npz")
    xs, ys = recorded(SEVERAL)
    np.savez(tmp_path / "named.npz", extra=xs[0], sequence=xs[1])
    np.savez(tmp_path / "numbered.npz", *xs)
    for name in ("named.npz", "numbered.npz"):
        out = tmp_path / "y.npz"
        result = run(bundle, "-i", tmp_path / name, "-o", out, "-f", "--batch-size", 2)
        assert result.exit_code == 0, result.stderr
        with np.load(out, allow_pickle=False) as found:
            assert found.files == ["label", "encoded", "score"]
            for y, expected in zip(found.values(), ys, strict=True):
                np.testing.assert_allclose(y, expected, atol=2e-5, rtol=1e-4)
    refused = run(bundle, "-i", tmp_path / "named.npz", "-o", tmp_path / "y.npy")
    assert refused.exit_code == EXIT_CODES["usage"]
    assert "3 outputs (label, encoded, score): name an .npz" in refused.stderr
    np.save(tmp_path / "one.npy", xs[0])
    refused = run(bundle, "-i", tmp_path / "one.npy", "-o", tmp_path / "z.npz")
    assert refused.exit_code == EXIT_CODES["refused"]
    assert "one array, but the model has 2 inputs" in refused.stderr
    np.savez(tmp_path / "uneven.npz", extra=xs[0][:1], sequence=xs[1])
    refused = run(bundle, "-i", tmp_path / "uneven.npz", "-o", tmp_path / "z.npz")
    assert "input 'sequence', axis 0: expected batch size 1" in refused.stderr
    assert not (tmp_path / "z.npz").exists()


def test_streams(bundle, data):
    result = run(bundle, "-i", "-", "-o", "-", input=data.read_bytes())
    assert result.stderr == "wrote standard output: dense_1 (5, 1) float32\n"
    y = np.load(io.BytesIO(result.stdout_bytes), allow_pickle=False)
    np.testing.assert_allclose(y, recorded(GRU)[1][0], atol=2e-5)
    both = run(bundle, "-i", data, "-o", "-", "--json")
    assert both.exit_code == EXIT_CODES["usage"]
    wrong = run(bundle, "-i", "-", "-o", "-", input=b"1,2\n1,2\n")
    assert wrong.exit_code == EXIT_CODES["refused"]
    assert (wrong.stdout_bytes, wrong.stderr[:21]) == (b"", "Error: standard input")


def test_streams_of_several_outputs(tmp_path):
    bundle = exported(SEVERAL, tmp_path / "m.npz")
    xs, ys = recorded(SEVERAL)
    np.savez(tmp_path / "x.npz", extra=xs[0], sequence=xs[1])
    result = run(bundle, "-i", "-", "-o", "-", input=(tmp_path / "x.npz").read_bytes())
    with np.load(io.BytesIO(result.stdout_bytes)) as found:
        np.testing.assert_allclose(found["score"], ys[2], atol=2e-5, rtol=1e-4)


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
    result = run(bundle, "-i", tmp_path / "x.npy", "-o", target)
    assert result.exit_code == 0
    assert "dense_1 (0, 1) float32" in result.stderr


def test_stateful_models_take_their_own_batch(tmp_path):
    case = "keras-2.2/stateful"
    bundle = exported(case, tmp_path / "m.npz")
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
    result = run(bundle, "-i", tmp_path / "x.npy", "-o", tmp_path / "z.npy")
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


# Wrong data: the text, the exit code, and the output untouched


def wrong_data(folder):
    """File names with what the refusal says."""
    x = recorded(GRU)[0][0]
    np.save(folder / "short.npy", x[:, :2])
    np.save(folder / "flat.npy", x[:, 0, 0])
    np.save(folder / "number.npy", np.float32(1))
    np.save(folder / "text.npy", np.array(["a"]))
    np.save(folder / "complex.npy", x.astype("complex64"))
    np.save(folder / "record.npy", np.zeros(3, [("a", "f4")]))
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(folder / "two.npz", gru_1_input=x, other=x)
    np.savez(folder / "none.npz")
    np.savez(folder / "objects.npz", gru_1_input=np.array([{}]))
    np.savez_compressed(folder / "objects_packed.npz", gru_1_input=np.array([{}]))
    np.save(folder / "whole.npy", x)
    whole = (folder / "whole.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-3])
    (folder / "header.npy").write_bytes(whole[:30])
    (folder / "negative.npy").write_bytes(whole.replace(b"(5, 3, 1)", b"(5, 3,-1)"))
    (folder / "huge.npy").write_bytes(whole.replace(b"(5, 3, 1)", b"(9**9**9)"))
    (folder / "table.csv").write_text("1.5,2\n")
    (folder / "text.csv").write_text("chapter 1\n\nIt was late.\n")
    (folder / "noise").write_bytes(bytes(range(255, 0, -1)))
    (folder / "empty.npy").write_bytes(b"")
    packed = (folder / "two.npz").read_bytes()
    (folder / "cut.npz").write_bytes(packed[:200])
    return {
        "short.npy": "axis 1: expected 3 in (None, 3, 1), got 2 in (5, 2, 1)",
        "flat.npy": "expected 3 axes (None, 3, 1), got 1 axes",
        "number.npy": "expected 3 axes",
        "text.npy": "expected numbers (float32), got dtype <U1",
        "complex.npy": "expected numbers (float32), got dtype complex64",
        "record.npy": "expected numbers",
        "objects.npy": "holds Python objects (dtype object), which are never unpickled",
        "objects.npz": "holds Python objects (dtype object), which are never unpickled",
        "objects_packed.npz": "(dtype object), which are never unpickled",
        "two.npz": "expected arrays gru_1_input, got gru_1_input, other",
        "none.npz": "expected arrays gru_1_input, got none",
        "cut.npy": "is cut short: expected 60 bytes",
        "header.npy": "its header is damaged",
        "negative.npy": "is cut short",
        "huge.npy": "its header is damaged",
        "cut.npz": "is a damaged .npz",
        "table.csv": "expected 3 columns for the model's inputs ('gru_1_input' 3), got",
        "text.csv": "line 1: 'chapter 1' may be names or a row of numbers",
        "noise": "expected a .npy or .npz file or a table in UTF-8",
        "empty.npy": "got an empty file",
        "model.npz": "expected arrays only, got the member 'manifest.json'",
    }


def test_wrong_data_is_refused_with_a_reason(bundle, tmp_path, capsys):
    out = tmp_path / "y.npy"
    out.write_bytes(b"precious")
    for name, text in wrong_data(tmp_path).items():
        result = run(bundle, "-i", tmp_path / name, "-o", out, "--force")
        assert result.exit_code == EXIT_CODES["refused"], f"{name}: {result.output}"
        assert result.stdout == ""
        assert text in result.stderr, f"{name}: {result.stderr}"
        # The runtime's own command line says the same.
        arguments = ["predict", str(bundle), str(tmp_path / name), "-o", str(out), "-f"]
        assert runtime_main.main(arguments) == EXIT_CODES["refused"]
        assert capsys.readouterr().err == result.stderr
        assert out.read_bytes() == b"precious"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_is_cut_short_while_it_is_read(
    bundle, tmp_path, monkeypatch, order
):
    monkeypatch.setattr("gru2np_runtime.files.arrays.COLUMNS_BYTES", 1)
    path, out = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(path, np.zeros((5000, 3, 1), "float32", order=order))

    def cut(_done, _rows):
        os.truncate(path, 300)

    with pytest.raises(InputError, match=r"x\.npy: was cut short while it was read"):
        predict_file(load(bundle), path, out, batch_size=50, progress=cut)
    assert not out.exists()


def test_existing_output_is_kept(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    out.write_bytes(b"precious")
    result = run(bundle, "-i", data, "-o", out)
    assert result.exit_code == EXIT_CODES["usage"]
    assert "--force" in result.stderr
    assert out.read_bytes() == b"precious"
    same = run(bundle, "-i", data, "-o", data, "--force")
    assert same.exit_code == EXIT_CODES["usage"]
    assert "is the input itself" in same.stderr
    over = run(bundle, "-i", data, "-o", bundle, "--force")
    assert over.exit_code == EXIT_CODES["usage"]


def test_a_suffix_that_means_nothing(bundle, data, tmp_path):
    result = run(bundle, "-i", data, "-o", tmp_path / "y.txt")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "name an .npy, .npz or .csv file" in result.stderr
    assert not list(tmp_path.glob("y*"))


def test_interrupted_halfway(bundle, data, tmp_path, monkeypatch):
    calls = []

    def interrupt(*_arguments, **_options):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("gru2np_runtime.files.outputs.RowWriter.add", interrupt)
    before = sorted(tmp_path.iterdir())
    result = run(bundle, "-i", data, "-o", tmp_path / "y.npy")
    assert result.exit_code == EXIT_CODES["interrupted"]
    assert calls
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_file_is_no_bundle(data, tmp_path):
    result = run(fixture(GRU), "-i", data, "-o", tmp_path / "y.npy")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "written by gru2np export" in result.stderr


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
