"""Arrays in files and in streams."""

import io

import numpy as np
import pytest

from command_line import run_predict
from gru2np.cli.commands import EXIT_CODES
from modelfiles import bundle_of, fixture, recorded

GRU = "keras-2.2/get_weights_explained"
SEVERAL = "keras-2.2/several_inputs_outputs"


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", recorded(GRU)[0][0])
    return tmp_path / "x.npy"


def test_npy_to_npy(bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    result = run_predict(bundle, "-i", data, "-o", out)
    assert result.stdout == f"{out}\n"
    assert result.stderr == f"wrote {out}: dense_1 (5, 1) float32\n"
    np.testing.assert_allclose(np.load(out), recorded(GRU)[1][0], atol=2e-5)
    assert np.load(out).dtype == np.float32


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("gru_1_input",), ("anything",)])
def test_npz_by_name_or_alone(bundle, tmp_path, save, names):
    (x,), (y,) = recorded(GRU)
    save(tmp_path / "x.npz", **dict.fromkeys(names, x))
    result = run_predict(bundle, "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert result.exit_code == 0
    with np.load(tmp_path / "y.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["dense_1"], y, atol=2e-5)


def test_several_inputs_and_outputs(tmp_path):
    bundle = bundle_of(SEVERAL, tmp_path / "m.npz")
    xs, ys = recorded(SEVERAL)
    np.savez(tmp_path / "named.npz", extra=xs[0], sequence=xs[1])
    np.savez(tmp_path / "numbered.npz", *xs)
    for name in ("named.npz", "numbered.npz"):
        out = tmp_path / "y.npz"
        result = run_predict(
            bundle, "-i", tmp_path / name, "-o", out, "-f", "--batch-size", 2
        )
        assert result.exit_code == 0, result.stderr
        with np.load(out, allow_pickle=False) as found:
            assert found.files == ["label", "encoded", "score"]
            for y, expected in zip(found.values(), ys, strict=True):
                np.testing.assert_allclose(y, expected, atol=2e-5, rtol=1e-4)
    refused = run_predict(
        bundle, "-i", tmp_path / "named.npz", "-o", tmp_path / "y.npy"
    )
    assert refused.exit_code == EXIT_CODES["usage"]
    assert "3 outputs (label, encoded, score): name an .npz" in refused.stderr
    np.save(tmp_path / "one.npy", xs[0])
    refused = run_predict(bundle, "-i", tmp_path / "one.npy", "-o", tmp_path / "z.npz")
    assert refused.exit_code == EXIT_CODES["refused"]
    assert "one array, but the model has 2 inputs" in refused.stderr
    np.savez(tmp_path / "uneven.npz", extra=xs[0][:1], sequence=xs[1])
    refused = run_predict(
        bundle, "-i", tmp_path / "uneven.npz", "-o", tmp_path / "z.npz"
    )
    assert "input 'sequence', axis 0: expected batch size 1" in refused.stderr
    assert not (tmp_path / "z.npz").exists()


def test_streams(bundle, data):
    result = run_predict(bundle, "-i", "-", "-o", "-", input=data.read_bytes())
    assert result.stderr == "wrote standard output: dense_1 (5, 1) float32\n"
    y = np.load(io.BytesIO(result.stdout_bytes), allow_pickle=False)
    np.testing.assert_allclose(y, recorded(GRU)[1][0], atol=2e-5)
    both = run_predict(bundle, "-i", data, "-o", "-", "--json")
    assert both.exit_code == EXIT_CODES["usage"]
    wrong = run_predict(bundle, "-i", "-", "-o", "-", input=b"1,2\n1,2\n")
    assert wrong.exit_code == EXIT_CODES["refused"]
    assert (wrong.stdout_bytes, wrong.stderr[:21]) == (b"", "Error: standard input")


def test_streams_of_several_outputs(tmp_path):
    bundle = bundle_of(SEVERAL, tmp_path / "m.npz")
    xs, ys = recorded(SEVERAL)
    np.savez(tmp_path / "x.npz", extra=xs[0], sequence=xs[1])
    result = run_predict(
        bundle, "-i", "-", "-o", "-", input=(tmp_path / "x.npz").read_bytes()
    )
    with np.load(io.BytesIO(result.stdout_bytes)) as found:
        np.testing.assert_allclose(found["score"], ys[2], atol=2e-5, rtol=1e-4)


def test_a_suffix_that_means_nothing(bundle, data, tmp_path):
    result = run_predict(bundle, "-i", data, "-o", tmp_path / "y.txt")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "name an .npy, .npz or .csv file" in result.stderr
    assert not list(tmp_path.glob("y*"))


def test_a_model_file_is_no_bundle(data, tmp_path):
    result = run_predict(fixture(GRU), "-i", data, "-o", tmp_path / "y.npy")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "writes its bundle" in result.stderr
