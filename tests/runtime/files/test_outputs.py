"""Tables of outputs."""

import csv
import io
from contextlib import ExitStack

import numpy as np
import pytest

from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import InputError, load
from gru2np_runtime.files.arrays import spool
from gru2np_runtime.files.outputs import RowWriter, write_table
from modelfiles import recorded
from predicted_tables import exported, predicted, table_of

FLAT = "keras-3.15/relu_layers"  # one input of six columns, four outputs of six
IDS = "keras-3.15/embedding"  # ids, any number of columns


def test_outputs_as_a_table(tmp_path):
    (x,), ys = recorded(FLAT)
    bundle = exported(FLAT, tmp_path)
    np.save(tmp_path / "x.npy", x)
    more = ("--batch-size", 2)
    result = predicted(bundle, tmp_path / "x.npy", tmp_path / "y.csv", *more)
    assert result.exit_code == 0, result.stderr
    with (tmp_path / "y.csv").open(newline="") as file:
        names, *rows = csv.reader(file)
    assert names == [
        f"{output}[{i}]"
        for output in ("plain", "ceiling", "slope", "all")
        for i in range(6)
    ]
    found = np.array(rows, "float32")
    np.testing.assert_allclose(found, np.concatenate(ys, axis=1), atol=2e-5)
    # The shortest digits give each float32 back, to the last bit.
    outputs = load(bundle).predict(x, batch_size=2)
    np.testing.assert_array_equal(found, np.concatenate(outputs, axis=1))


def test_a_table_in_is_a_table_out(tmp_path):
    bundle = exported("keras-2.2/thresholded_relu", tmp_path)
    (x,), ys = recorded("keras-2.2/thresholded_relu")
    result = predicted(bundle, "-", "-", input=table_of(x).encode())
    assert result.exit_code == 0, result.stderr
    names, *rows = csv.reader(io.StringIO(result.stdout))
    assert names[5:7] == ["thresholded_re_lu_1[5]", "thresholded_re_lu_2[0]"]
    np.testing.assert_allclose(
        np.array(rows, "float32"), np.concatenate(ys, axis=1), atol=2e-5
    )


def test_outputs_that_no_table_holds(tmp_path):
    (x,), _ = recorded(IDS)
    bundle = exported(IDS, tmp_path)
    np.save(tmp_path / "x.npy", x)
    result = predicted(bundle, tmp_path / "x.npy", tmp_path / "y.csv")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "output 'embedding' (None, None, 4) has several free sizes" in result.stderr
    assert not (tmp_path / "y.csv").exists()


def written(folder, arrays):
    """The table of some arrays."""
    with ExitStack() as stack:
        writers = {}
        for name, array in arrays.items():
            writers[name] = RowWriter(spool(stack, folder))
            writers[name].add(array, len(array))
        file = io.BytesIO()
        write_table(file, writers)
        return file.getvalue()


def test_names_that_csv_must_quote_and_one_column(tmp_path):
    names = ["a, b", 'say "x"']
    arrays = [np.ones((2, 1), "float32"), np.array([True, False])]
    text = written(tmp_path, dict(zip(names, arrays, strict=True)))
    assert text == b'"a, b","say ""x"""\n1.0,1\n1.0,0\n'


def test_outputs_with_several_axes_are_written_in_order(tmp_path):
    x = np.array([[[0.5], [1]], [[2], [3]]], "float32")
    assert written(tmp_path, {"y": x}) == b"y[0],y[1]\n0.5,1.0\n2.0,3.0\n"


def test_outputs_of_different_length_are_no_table(tmp_path):
    with pytest.raises(InputError, match="the outputs have 1, 2 rows"):
        written(tmp_path, {"a": np.ones(1), "b": np.ones(2)})
