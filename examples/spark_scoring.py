"""Run a model on the rows of a Spark table; here on local processes.

    python examples/spark_scoring.py
    python examples/spark_scoring.py model.npz rows.parquet scored.parquet --workers 2

A row holds its input as one array of numbers in the column ``x``, time step after time
step. The output becomes a column by its name. This is for models of one input and one
output; the page shows several. Needs ``pip install 'pyspark[ml,sql]'`` and Java.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType

import gru2np
from gru2np_runtime import Scorer, load

MODEL = Path(__file__).parent.parent / "fixtures" / "keras-3.15" / "trained"


def scored(bundle, rows, batch_size=1024):
    """The rows with the output as another column; nothing is computed yet."""
    scorer = Scorer(bundle)
    ((_, *sizes),) = scorer.model.input_shapes
    (name,) = scorer.model.output_names
    # A free number of time steps is that of the first row.
    flat = np.empty(len(rows.first()["x"]))
    shape = flat.reshape([-1 if size is None else size for size in sizes]).shape
    score = predict_batch_udf(
        scorer.make_predict_fn,
        return_type=ArrayType(FloatType()),
        batch_size=batch_size,
        input_tensor_shapes=[[*shape]],
    )
    return rows.withColumn(name, score("x"))


def session(workers):
    """Spark on this machine, with processes of one thread each."""
    # Otherwise the processes run the first python3 of the path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(f"local[{workers}]")
    options = {
        "spark.executorEnv.GRU2NP_THREADS": "1",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    return builder.config(map=options).getOrCreate()


def score(spark, bundle, source, target, **options):
    """Write the rows of a Parquet file with their outputs; returns rows and seconds."""
    start = time.perf_counter()
    rows = spark.read.parquet(str(source))
    scored(bundle, rows, **options).drop("x").write.parquet(str(target))
    seconds = time.perf_counter() - start
    return spark.read.parquet(str(target)).count(), seconds


def write_rows(path, x, rows_a_group=10_000):
    """Save an array as Spark reads it: row numbers, and a flat array for each row."""
    flat = np.ascontiguousarray(x, "float32").reshape(len(x), -1)
    values = pa.FixedSizeListArray.from_arrays(flat.reshape(-1), flat.shape[1])
    arrays = pa.array(np.arange(len(x))), values.cast(pa.list_(pa.float32()))
    table = pa.table(dict(zip(("row", "x"), arrays, strict=True)))
    parquet.write_table(table, path, row_group_size=rows_a_group)


def demonstrate(folder, spark, rows=3000):
    """Run on repeated recorded rows, and compare with one process.

    Returns:
        The outputs, those of Keras for the first rows, and the largest difference.
    """
    bundle, source, target = (folder / name for name in ("m.npz", "x.parquet", "y"))
    gru2np.export(MODEL / "model.keras", bundle)
    with np.load(MODEL / "io.npz") as recorded:
        x, keras = recorded["call0.x0"], recorded["call0.y0"]
    x = np.resize(x, (rows, *x.shape[1:]))
    write_rows(source, x)
    score(spark, bundle, source, target)
    (name,) = load(bundle).output_names
    table = parquet.read_table(target).sort_by("row")
    y = np.array(table[name].to_pylist(), "float32")
    difference = float(np.abs(y - load(bundle).predict(x, batch_size=1024)).max())
    workers = spark.sparkContext.defaultParallelism
    print(f"{rows} rows on {workers} workers: outputs {y.shape} {y.dtype}")
    print(f"largest difference from one process: {difference:.1e}")
    return y, keras, difference


def main():
    """Parse the command line, and start Spark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="BUNDLE X.parquet Y.parquet")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, session(options.workers) as spark:
        if not options.files:
            demonstrate(Path(folder), spark)
            return
        rows, seconds = score(spark, *options.files)
        print(f"{rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s")


if __name__ == "__main__":
    main()
