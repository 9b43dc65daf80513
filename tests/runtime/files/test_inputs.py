"""Wrong data is refused with the reason, and the output is kept."""

import os

import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
from command_line import run_predict
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import InputError, load
from gru2np_runtime.files.prediction import predict_file
from modelfiles import recorded

GRU = "keras-2.2/get_weights_explained"


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
    (folder / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return {
        "short.npy": "axis 1: expected 3 in (None, 3, 1), got 2 in (5, 2, 1)",
        "flat.npy": "expected 3 axes (None, 3, 1), got 1 axes",
        "number.npy": "expected 3 axes",
        "text.npy": "expected numbers (float32), got text (dtype <U1)",
        "complex.npy": "got complex numbers (dtype complex64)",
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
        "model.h5": "expected inputs, a .npy, .npz or .csv file, got HDF5",
        "model.npz": "got a bundle: it comes first",
    }


def test_wrong_data_is_refused_with_a_reason(bundle, tmp_path, capsys):
    out = tmp_path / "y.npy"
    out.write_bytes(b"precious")
    for name, text in wrong_data(tmp_path).items():
        result = run_predict(bundle, "-i", tmp_path / name, "-o", out, "--force")
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
