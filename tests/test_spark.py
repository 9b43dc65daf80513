"""Spark on this machine, with two processes, gives what one process gives."""

import os
import shutil

import numpy as np
import pytest

import goldens
from example_files import example
from gru2np_runtime import Scorer, load

NEEDED = "needs Spark, which make proof installs"
spark_ml = pytest.importorskip("pyspark.ml.functions", reason=NEEDED)
types = pytest.importorskip("pyspark.sql.types", reason=NEEDED)
errors = pytest.importorskip("pyspark.errors", reason=NEEDED)
pa = pytest.importorskip("pyarrow", reason=NEEDED)
if not shutil.which("java") and "JAVA_HOME" not in os.environ:
    pytest.skip("needs Java, as openjdk-17-jre-headless", allow_module_level=True)

SPARK = example("spark_scoring")
SEVERAL = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "several_inputs_outputs")
SEQUENCES = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "stacked_cells_nested")
BY_NAME = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "dict_inputs")
TRAINED = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "trained")
FLOATS = types.ArrayType(types.FloatType())
ROWS = 100


@pytest.fixture(scope="session")
def spark():
    with SPARK.session(2) as session:
        session.sparkContext.setLogLevel("OFF")
        yield session


def written(golden, folder):
    path = folder / "model.npz"
    path.write_bytes(golden.bundle())
    return path


def resized(arrays):
    return [np.resize(x, (ROWS, *x.shape[1:])) for x in arrays]


def table(spark, xs):
    """The rows of arrays in columns x0, x1, ..., on both processes, in any order."""
    columns = {f"x{i}": list(x.reshape(len(x), -1)) for i, x in enumerate(xs)}
    rows = spark.createDataFrame(pa.table({"row": np.arange(len(xs[0])), **columns}))
    return rows.repartition(4)


def outputs(spark, scorer, xs, return_type, batch_size=16):
    """The column of the outputs, in the order of the rows."""
    score = spark_ml.predict_batch_udf(
        scorer.make_predict_fn,
        return_type=return_type,
        batch_size=batch_size,
        input_tensor_shapes=[[*x.shape[1:]] for x in xs],
    )
    names = [f"x{i}" for i in range(len(xs))]
    rows = table(spark, xs).select("row", score(*names).alias("y")).collect()
    return [row["y"] for row in sorted(rows, key=lambda row: row["row"])]


def test_the_example(spark, tmp_path, capsys):
    y, keras, difference = SPARK.demonstrate(tmp_path, spark)
    assert difference <= 1e-6
    assert y.shape == (3000, 4)
    TRAINED.close(y, np.resize(keras, y.shape))
    assert "3000 rows on 2 workers: outputs (3000, 4)" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_blocks_of_any_size(spark, tmp_path, batch_size):
    path, xs = written(TRAINED, tmp_path), resized(TRAINED.arrays(0, "x"))
    # How many rows Spark itself hands over at once.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 13)
    try:
        found = outputs(spark, Scorer(path), xs, FLOATS, batch_size)
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    (keras,) = resized(TRAINED.arrays(0, "y"))
    TRAINED.close(np.array(found, "float32"), keras)
    np.testing.assert_allclose(found, load(path).predict(xs[0]), rtol=0, atol=1e-6)


def test_several_inputs_and_one_output(spark, tmp_path):
    xs = resized(BY_NAME.arrays(0, "x"))
    assert {x.dtype.kind for x in xs} == {"f", "i"}
    found = outputs(spark, Scorer(written(BY_NAME, tmp_path)), xs, FLOATS)
    BY_NAME.close(np.array(found, "float32"), *resized(BY_NAME.arrays(0, "y")))


def test_several_outputs_are_a_struct(spark, tmp_path):
    path, xs = written(SEVERAL, tmp_path), resized(SEVERAL.arrays(0, "x"))
    names = load(path).output_names
    fields = types.StructType([types.StructField(name, FLOATS) for name in names])
    found = outputs(spark, Scorer(path), xs, fields)
    single = load(path).predict(xs)
    for name, keras, alone in zip(
        names, resized(SEVERAL.arrays(0, "y")), single, strict=True
    ):
        y = np.array([row[name] for row in found], "float32")
        SEVERAL.close(y, keras, name)
        np.testing.assert_allclose(y, alone, rtol=0, atol=1e-6)


def test_one_number_a_row_is_a_scalar(spark, tmp_path):
    path = tmp_path / "model.npz"
    name = load(written(SEVERAL, tmp_path)).output_names[2]
    SPARK.gru2np.export(SEVERAL.files()[0], path, outputs=name)
    (keras,) = resized(SEVERAL.arrays(0, "y")[2:])
    assert keras.shape == (ROWS, 1)
    taken = load(path).input_names
    every = dict(
        zip(load(SEVERAL.bundle()).input_names, SEVERAL.arrays(0, "x"), strict=True)
    )
    xs = resized([every[name] for name in taken])
    found = outputs(spark, Scorer(path), xs, types.FloatType())
    SEVERAL.close(np.array(found, "float32")[:, None], keras)


def test_a_sequence_is_a_flat_array(spark, tmp_path):
    path, xs = written(SEQUENCES, tmp_path), resized(SEQUENCES.arrays(0, "x"))
    keras = resized(SEQUENCES.arrays(0, "y"))
    assert keras[0].ndim == 3
    found = outputs(spark, Scorer(path), xs, FLOATS)
    SEQUENCES.close(np.array(found, "float32").reshape(keras[0].shape), keras[0])


def test_a_bundle_that_changed_is_refused(spark, tmp_path):
    golden = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")
    scorer = Scorer(written(golden, tmp_path))
    xs = golden.arrays(0, "x")
    # Opened here, so the processes know which bundle is meant.
    golden.close(scorer(*xs), golden.arrays(0, "y")[0])
    scorer.path = str(written(TRAINED, tmp_path))
    with pytest.raises(errors.PythonException, match="with which the work began"):
        outputs(spark, scorer, xs, FLOATS)


def test_a_process_has_one_thread(spark):
    one = spark.sparkContext.parallelize([0], 1)
    name = "GRU2NP_THREADS"
    assert one.map(lambda _: os.environ.get(name)).collect() == ["1"]
