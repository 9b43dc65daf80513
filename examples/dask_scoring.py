"""Run a model on a .npy of any size on a Dask cluster; here a local one.

    python examples/dask_scoring.py
    python examples/dask_scoring.py model.npz x.npy y --workers 2

Without files it shows that two processes give the same numbers as one. Only paths and
row numbers are sent to the workers: each opens the bundle once, reads its rows of the
input and writes its rows of the output, so all of them need the same folders. ``y``
becomes a folder of .npy files, which ``dask.array.from_npy_stack`` reads as one array.
This is for models of one input and one output; ``Scorer`` supports several too.
"""

import argparse
import tempfile
import time
from pathlib import Path

import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster

import gru2np
from gru2np_runtime import Scorer, load

MODEL = Path(__file__).parent.parent / "fixtures" / "keras-3.15" / "trained"
ROWS_A_BLOCK = 10_000


def read(source, block_info):
    """The rows of a block, read by the worker."""
    (start, stop), *_ = block_info[None]["array-location"]
    return np.array(np.load(source, mmap_mode="r")[start:stop])


def scored(bundle, source, rows=ROWS_A_BLOCK, batch_size=1024):
    """The outputs as a Dask array; nothing is computed yet."""
    array = np.load(source, mmap_mode="r")
    chunks = da.core.normalize_chunks((rows, *array.shape[1:]), array.shape)
    meta = np.empty((0,) * array.ndim, array.dtype)
    x = da.map_blocks(read, str(source), chunks=chunks, meta=meta)
    scorer = Scorer(bundle, batch_size=batch_size)
    shape = scorer.output_shape(x.shape)
    return x.map_blocks(
        scorer,
        meta=scorer.meta,
        chunks=(x.chunks[0], *shape[1:]),
        drop_axis=list(range(1, x.ndim)),
        new_axis=list(range(1, len(shape))),
    )


def cluster(workers, folder):
    """Processes of one thread each, so that they do not compete."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        # A free port: another cluster may run on this machine.
        dashboard_address="localhost:0",
        local_directory=folder,
        env={"GRU2NP_THREADS": "1"},
    )


def score(bundle, source, target, **options):
    """Write the outputs, one file for each block; returns rows and seconds."""
    y = scored(bundle, source, **options)
    start = time.perf_counter()
    da.to_npy_stack(target, y)
    return y.shape[0], time.perf_counter() - start


def demonstrate(folder, client, rows=3000):
    """Run on repeated recorded rows, and compare with one process.

    Returns:
        The outputs, those of Keras for the first rows, and the largest difference.
    """
    bundle, source = folder / "model.npz", folder / "x.npy"
    gru2np.export(MODEL / "model.keras", bundle)
    with np.load(MODEL / "io.npz") as recorded:
        x, keras = recorded["call0.x0"], recorded["call0.y0"]
    np.save(source, np.resize(x, (rows, *x.shape[1:])))
    score(bundle, source, folder / "y", rows=rows // 10 + 1)
    y = da.from_npy_stack(folder / "y").compute(scheduler="synchronous")
    expected = load(bundle).predict(np.load(source), batch_size=1024)
    difference = float(np.abs(y - expected).max())
    workers = len(client.scheduler_info()["workers"])
    print(f"{rows} rows on {workers} workers: outputs {y.shape} {y.dtype}")
    print(f"largest difference from one process: {difference:.1e}")
    return y, keras, difference


def main():
    """Parse the command line, and start a cluster."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="BUNDLE X.npy Y")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(options.workers, folder) as processes,
        Client(processes) as client,
    ):
        if not options.files:
            demonstrate(Path(folder), client)
            return
        bundle, source, target = options.files
        rows, seconds = score(bundle, source, target)
        print(f"{rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s")


if __name__ == "__main__":
    main()
