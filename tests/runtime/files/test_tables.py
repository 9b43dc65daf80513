"""Prediction from and to tables: shapes, header, columns, ids, wrong cells."""

import csv
import io
import tracemalloc
from contextlib import ExitStack

import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import InputError, load
from gru2np_runtime.files.prediction import predict_file
from gru2np_runtime.files.tables import TableOptions, read_table
from gru2np_runtime.graph import Port
from modelfiles import recorded
from predicted_tables import exported, predicted, table_of

FLAT = "keras-3.15/relu_layers"  # one input of six columns, four outputs of six
MIXED = "keras-3.15/dict_inputs"  # three columns of floats, then six of ids
IDS = "keras-3.15/embedding"  # ids, any number of columns
SEQUENCES = "keras-2.2/get_weights_explained"


def table(text, *ports):
    """The arrays that some inputs get from a table."""
    with ExitStack() as stack:
        file = io.BytesIO(text)
        arrays = read_table(file, "x.csv", ports, TableOptions(), stack)
        return {name: array.rows(0, 9) for name, array in arrays.items()}


@pytest.fixture
def mixed(tmp_path):
    """A bundle, its columns as text, and Keras' outputs."""
    (floats, ids), (y,) = recorded(MIXED)
    if floats.shape[1] != 3:
        floats, ids = ids, floats
    rows = [[*map(str, f), *map(int, i)] for f, i in zip(floats, ids, strict=True)]
    return exported(MIXED, tmp_path), rows, y


NAMES = ["a", "b", "c", *(f"id {i}" for i in range(6))]


@pytest.mark.parametrize("header", [None, NAMES])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_go_to_the_inputs_in_order(mixed, tmp_path, header, delimiter):
    bundle, rows, y = mixed
    assert load(bundle).input_shapes == [(None, 3), (None, 6)]
    (tmp_path / "x.csv").write_text(table_of(rows, header, delimiter))
    result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npy")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), y, atol=2e-5)


def test_a_table_of_names_alone_gives_one(mixed, tmp_path):
    bundle, _, _ = mixed
    (tmp_path / "x.csv").write_text(table_of([], NAMES))
    result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.csv", "--header")
    assert result.exit_code == 0, result.stderr
    assert len((tmp_path / "y.csv").read_text().splitlines()) == 1


def test_what_spreadsheets_write(mixed, tmp_path):
    bundle, rows, y = mixed
    quoted = [[f'"{cell}"' for cell in row] for row in rows]
    # Whole numbers with a point, as pandas writes a column that had a hole.
    points = [[*row[:3], *(f"{i}.0" for i in row[3:])] for row in rows]
    texts = {
        "bom": b"\xef\xbb\xbf" + table_of(rows).encode(),
        "bom and names": b"\xef\xbb\xbf" + table_of(rows, NAMES).encode(),
        "windows": table_of(rows, NAMES).replace("\n", "\r\n").encode(),
        "no last line end": table_of(rows).rstrip().encode(),
        "blank lines at the end": table_of(rows).encode() + b"\n\n",
        "quotes": table_of(quoted, NAMES).encode(),
        "spaces": table_of([[f" {c} " for c in row] for row in rows]).encode(),
        "points": table_of(points).encode(),
    }
    for name, text in texts.items():
        (tmp_path / "x.csv").write_bytes(text)
        result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npy", "--force")
        assert result.exit_code == 0, f"{name}: {result.stderr}"
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), y, atol=2e-5)


def test_columns_by_name_and_number(mixed, tmp_path):
    bundle, rows, y = mixed
    turned = [["row 1, north", *reversed(row), "7"] for row in rows]
    header = ["place", *reversed(NAMES), "label"]
    text = io.StringIO()
    csv.writer(text).writerows([header, *turned])
    (tmp_path / "x.csv").write_text(text.getvalue())
    by_name = ",".join(NAMES)
    by_number = ",".join(str(n) for n in range(10, 1, -1))
    for columns in (by_name, by_number):
        more = ("--columns", columns, "--force")
        result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npy", *more)
        assert result.exit_code == 0, result.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), y, atol=2e-5)
    # The runtime's own command line takes the same.
    arguments = ["predict", bundle, tmp_path / "x.csv", "-o", tmp_path / "z.npy"]
    arguments += ["--columns", by_name, "--header"]
    assert runtime_main.main([*map(str, arguments)]) == 0
    assert (tmp_path / "z.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_inputs_of_one_column_are_matched_by_name():
    ports = [Port("age", (None, 1), "float32"), Port("id", (None,), "int64")]
    arrays = table(b"id,name,age\n7,x,1.5\n8,y,2.5\n", *ports)
    np.testing.assert_array_equal(arrays["age"], [[1.5], [2.5]])
    np.testing.assert_array_equal(arrays["id"], [7, 8])


def test_ids_of_any_number_of_columns(tmp_path):
    (x,), ys = recorded(IDS)
    bundle = exported(IDS, tmp_path)
    (tmp_path / "x.csv").write_text(table_of(x))
    result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npz", "--no-header")
    assert result.exit_code == 0, result.stderr
    with np.load(tmp_path / "y.npz") as found:
        for y, expected in zip(found.values(), ys, strict=True):
            np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize(
    "first", ["0,1,2,3,4,5,6,7,8", "1,2,3,4,5,6,7,8,9", "a,1,2,3,4,5,6,7,8", ",,,,,,,,"]
)
def test_a_first_line_that_may_be_names_or_numbers_is_refused(mixed, tmp_path, first):
    bundle, rows, y = mixed
    (tmp_path / "x.csv").write_text(first + "\n" + table_of(rows))
    result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npy")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "give --header or --no-header" in result.stderr
    result = predicted(bundle, tmp_path / "x.csv", tmp_path / "y.npy", "--header")
    assert result.exit_code == 0
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), y, atol=2e-5)


GOOD = "1.5,0,2,0,1,2,3,4,5\n"
WRONG = {
    "1.5,0,2,0,1,2,3,4\n": "expected 9 columns for the model's inputs",
    GOOD + GOOD[3:]: "line 2, column 1: expected a number (float32), got nothing",
    GOOD + "1,2\n": "line 2: expected 9 cells as on line 1, got 2",
    GOOD + "x,0,2,0,1,2,3,4,5\n": "line 2, column 1: expected a number (float32), "
    "got 'x'",
    GOOD + "1_0,0,2,0,1,2,3,4,5\n": "got '1_0'",
    GOOD + "1,0,2,0.5,1,2,3,4,5\n": "column 4: expected a number (int32), got '0.5'",
    GOOD + "1,0,2,9999999999,1,2,3,4,5\n": "got '9999999999'",
    GOOD + "1,0,2,nan,1,2,3,4,5\n": "got 'nan'",
    GOOD + "\n" + GOOD: "line 2: expected 9 cells as on line 1, got 0",
    ",".join(NAMES) + "\n" + GOOD[3:]: "column 1 ('a'): expected a number",
    GOOD + '"1,0\n': "line 2: unexpected end of data",
    GOOD.replace(",", ";").replace(".", ","): "column 1: expected a number (float32), "
    "got '1,5'",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_wrong_cells_are_named(mixed, tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    more = [] if text.startswith("a") else ["--no-header"]
    result = predicted(mixed[0], tmp_path / "x.csv", tmp_path / "y.npy", *more)
    assert result.exit_code == EXIT_CODES["refused"], result.output
    assert f"{tmp_path / 'x.csv'}" in result.stderr
    assert WRONG[text] in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.npz", "x.csv"]


def test_wrong_options(mixed, tmp_path):
    bundle, rows, _ = mixed
    (tmp_path / "x.csv").write_text(table_of(rows, [*NAMES[:-1], "a"]))
    out = tmp_path / "y.npy"

    def refused(code, *more, source=tmp_path / "x.csv", target=out):
        result = predicted(bundle, source, target, *more)
        assert result.exit_code == EXIT_CODES[code], result.output
        return result.stderr

    twice = refused("refused", "--columns", "a,b,c")
    assert "expected one column 'a', got 9 columns: a, b, c, id 0" in twice
    assert "expected one column 'z'" in refused("refused", "--columns", "z")
    assert "column '10'" in refused("refused", "--columns", "10")
    assert "expected one column ''" in refused("refused", "--columns", "")
    np.save(tmp_path / "x.npy", np.zeros((2, 3), "float32"))
    no_table = refused("usage", "--header", source=tmp_path / "x.npy")
    assert "is not a table" in no_table
    (tmp_path / "latin.csv").write_bytes(b"\xe9t\xe9," + b"1,2\n" * 9)
    latin = refused("refused", source=tmp_path / "latin.csv")
    assert "expected a .npy or .npz file or a table in UTF-8" in latin


@pytest.mark.parametrize("header", [[], ["t0", "t1", "t2"]])
@pytest.mark.parametrize("delimiter", [",", " "])
def test_rows_of_as_many_numbers_as_there_are_time_steps(tmp_path, header, delimiter):
    (x,), (y,) = recorded(SEQUENCES)
    bundle = exported(SEQUENCES, tmp_path)
    assert load(bundle).input_shapes == [(None, 3, 1)]
    names = delimiter.join(header)
    path = tmp_path / "x.csv"
    np.savetxt(path, x[:, :, 0], delimiter=delimiter, header=names, comments="")
    if not header:
        path.write_text(path.read_text().lstrip("\n"))
    result = predicted(bundle, path, tmp_path / "y.npy")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), y, atol=2e-5)


def test_several_features_go_step_by_step():
    text = b"1.5,2,3,4,5,6\n7,8,9,0,1,2.5\n"
    arrays = table(text, Port("x", (None, 2, 3), "float32"))
    expected = [[[1.5, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 1, 2.5]]]
    np.testing.assert_array_equal(arrays["x"], expected)


@pytest.mark.parametrize("shape", [(None, None, 8), (None, None, 1)])
def test_a_row_does_not_say_how_many_time_steps_it_has(shape):
    with pytest.raises(InputError) as refused:
        table(b"1,2,3\n4,5,6\n", Port("x", shape, "float32"))
    assert f"input 'x' is {shape}, and a row" in str(refused.value)
    assert "save an array, np.save('x.npy', x)" in str(refused.value)


def test_ids_that_no_float_holds_are_refused():
    ids = Port("x", (None, 1), "int64")
    np.testing.assert_array_equal(table(b"9007199254740992\n", ids)["x"], [[2**53]])
    with pytest.raises(InputError, match="line 2, column 1: expected a number"):
        table(b"5\n9007199254740994\n", ids)


def test_memory_does_not_grow_with_the_table(tmp_path, monkeypatch):
    for module in ("tables", "outputs"):
        monkeypatch.setattr(f"gru2np_runtime.files.{module}.ROWS", 256)
    bundle = exported(FLAT, tmp_path)
    model, peaks = load(bundle), []
    for rows in (2_000, 16_000):
        path = tmp_path / f"{rows}.csv"
        path.write_text("1.5,2,3,4,5,6\n" * rows)
        tracemalloc.start()
        predict_file(model, path, tmp_path / f"{rows}.y.csv", batch_size=256)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
