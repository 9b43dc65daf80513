"""Run a model on a .npy of any size with Ray Data; here on local processes.

    python examples/ray_scoring.py
    python examples/ray_scoring.py model.npz x.npy y --workers 2

As in ``dask_scoring.py`` only paths and row numbers are sent to the workers, each of
which opens the bundle once. ``y`` becomes a folder of .npy files, named by their first
row. Needs ``pip install 'ray[data]'``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import ray

import gru2np
from gru2np_runtime import Scorer, load

MODEL = Path(__file__).parent.parent / "fixtures" / "keras-3.15" / "trained"
ROWS_A_BLOCK = 10_000


class ScoreBlocks:
    """An actor that reads, runs and writes the blocks of given numbers."""

    def __init__(self, bundle, source, target, rows, batch_size):
        self.scorer = Scorer(bundle, batch_size=batch_size)
        self.source, self.target, self.rows = source, Path(target), rows

    def __call__(self, blocks):
        """Write ``<first row>.npy`` for each block; returns the numbers of rows."""
        x, done = np.load(self.source, mmap_mode="r"), []
        for first in blocks["id"] * self.rows:
            block = np.array(x[first : first + self.rows])
            np.save(self.target / f"{first:012}.npy", self.scorer(block))
            done.append(len(block))
        return {"rows": np.array(done)}


def score(bundle, source, target, *, workers, rows=ROWS_A_BLOCK, batch_size=1024):
    """Write the outputs, one file for each block; returns rows and seconds."""
    count = len(np.load(source, mmap_mode="r"))
    blocks = -(-count // rows)
    Path(target).mkdir()
    start = time.perf_counter()
    done = ray.data.range(blocks, override_num_blocks=blocks).map_batches(
        ScoreBlocks,
        fn_constructor_args=(str(bundle), str(source), str(target), rows, batch_size),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    total = sum(row["rows"] for row in done.iter_rows())
    assert total == count, f"expected {count} rows, got {total}"
    return count, time.perf_counter() - start


def in_memory(bundle, x, workers):
    """The same with the rows in Ray, which takes ``Scorer`` as a class."""
    scored = ray.data.from_numpy(np.array_split(x, 4)).map_batches(
        Scorer,
        fn_constructor_args=(str(bundle),),
        fn_constructor_kwargs={"batch_size": 1024},
        batch_format="numpy",
        batch_size=1000,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    (name,) = load(bundle).output_names
    return np.stack([row[name] for row in scored.iter_rows()])


def demonstrate(folder, workers, rows=3000):
    """Run on repeated recorded rows, from a file and from memory.

    Returns:
        The outputs, those of Keras for the first rows, and the largest difference.
    """
    bundle, source = folder / "model.npz", folder / "x.npy"
    gru2np.export(MODEL / "model.keras", bundle)
    with np.load(MODEL / "io.npz") as recorded:
        x, keras = recorded["call0.x0"], recorded["call0.y0"]
    np.save(source, np.resize(x, (rows, *x.shape[1:])))
    score(bundle, source, folder / "y", workers=workers, rows=rows // 10)
    y = np.concatenate([np.load(path) for path in sorted((folder / "y").iterdir())])
    expected = load(bundle).predict(np.load(source), batch_size=1024)
    difference = float(np.abs(y - expected).max())
    # By default Ray returns rows in any order.
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    also = in_memory(bundle, np.load(source), workers)
    difference = max(difference, float(np.abs(also - expected).max()))
    print(f"{rows} rows on {workers} workers: outputs {y.shape} {y.dtype}")
    print(f"largest difference from one process: {difference:.1e}")
    return y, keras, difference


def start(workers):
    """Ray on this machine, with processes of one thread each."""
    one_thread = {"env_vars": {"GRU2NP_THREADS": "1", "OMP_NUM_THREADS": "1"}}
    # The processor more is for Ray's own tasks.
    ray.init(num_cpus=workers + 1, runtime_env=one_thread, include_dashboard=False)


def main():
    """Parse the command line, and start Ray."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="BUNDLE X.npy Y")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    start(options.workers)
    with tempfile.TemporaryDirectory() as folder:
        if not options.files:
            demonstrate(Path(folder), options.workers)
            ray.shutdown()
            return
        bundle, source, target = (Path(path).resolve() for path in options.files)
        rows, seconds = score(bundle, source, target, workers=options.workers)
        print(f"{rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s")
        ray.shutdown()


if __name__ == "__main__":
    main()
