"""One process beside Dask, Ray and Spark with one and two workers: ``make engines``.

The same rows, the same model, the same machine.  Each run is in processes of its own,
in turn, and its numbers are compared with those of one process.  The start of a
cluster, and its first 20,000 rows, are not counted.  The page is docs/scale.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bundles import write_bundle
from models import Workload, write_data

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "engines"
RECORD = Path(__file__).with_suffix(".json")
MODEL = Workload("engines", "GRU64", units=64, features=16, time=60, head=4)
ROWS_A_BLOCK = 10_000
# Names of the runs, and the arguments of each.
RUNS = {
    "one process, 1 thread": ("alone", 1),
    "one process, 2 threads": ("alone", 2),
    **{
        f"{name}, {count} worker{'s' * (count > 1)}": (name.lower(), count)
        for name in ("Dask", "Ray", "Spark")
        for count in (1, 2)
    },
}
ONE_THREAD = dict.fromkeys(
    ("GRU2NP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


def alone(stack: ExitStack, workers: int) -> Callable[[str, Path], None]:
    """One process, which reads and writes in the blocks that the others have."""
    from gru2np_runtime import Scorer

    score = Scorer(FOLDER / "model.npz", batch_size=1024)

    def run(name: str, target: Path) -> None:
        x = np.load(FOLDER / f"{name}.npy", mmap_mode="r")
        target.mkdir()
        for first in range(0, len(x), ROWS_A_BLOCK):
            block = np.array(x[first : first + ROWS_A_BLOCK])
            np.save(target / f"{first:012}.npy", score(block))

    return run


def dask(stack: ExitStack, workers: int) -> Callable[[str, Path], None]:
    """A cluster of local processes."""
    import dask_scoring
    from dask.distributed import Client

    processes = stack.enter_context(dask_scoring.cluster(workers, FOLDER / "dask"))
    stack.enter_context(Client(processes))
    bundle = FOLDER / "model.npz"
    return lambda name, target: dask_scoring.score(
        bundle, FOLDER / f"{name}.npy", target
    )


def ray(stack: ExitStack, workers: int) -> Callable[[str, Path], None]:
    """Local actors, which Ray starts for each run."""
    import ray_scoring

    ray_scoring.start(workers)
    stack.callback(ray_scoring.ray.shutdown)
    bundle = FOLDER / "model.npz"
    return lambda name, target: ray_scoring.score(
        bundle, FOLDER / f"{name}.npy", target, workers=workers
    )


def spark(stack: ExitStack, workers: int) -> Callable[[str, Path], None]:
    """Local processes, which get their rows through Java, from Parquet."""
    import spark_scoring

    session = stack.enter_context(spark_scoring.session(workers))
    bundle = FOLDER / "model.npz"
    return lambda name, target: spark_scoring.score(
        session, bundle, FOLDER / f"{name}.parquet", target
    )


ENGINES = {"alone": alone, "dask": dask, "ray": ray, "spark": spark}


def outputs(engine: str, target: Path) -> np.ndarray[Any, Any]:
    """What a run wrote, in the order of the rows."""
    if engine == "spark":
        from pyarrow import parquet

        table = parquet.read_table(target).sort_by("row")
        return np.array(table["y"].combine_chunks().flatten()).reshape(len(table), -1)
    paths = [path for path in target.iterdir() if path.suffix == ".npy"]
    # Dask numbers its files without zeros in front.
    return np.concatenate(
        [np.load(p) for p in sorted(paths, key=lambda p: int(p.stem))]
    )


def one(engine: str, workers: int, target: Path) -> dict[str, float]:
    """Start an engine, warm it up, and time one run."""
    with ExitStack() as stack:
        run = ENGINES[engine](stack, workers)
        run("small", target.with_name("warm"))
        before, start = _busy(), time.perf_counter()
        run("rows", target)
        return {"seconds": time.perf_counter() - start, "processor": _busy() - before}


def _busy() -> float:
    """Seconds that the processors of this machine have worked."""
    user, nice, system, _idle, _wait, *others = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def prepare(rows: int) -> None:
    """Write the model and its inputs, as NumPy and as Spark read them."""
    import spark_scoring

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    write_data(FOLDER, MODEL)
    write_bundle(FOLDER, MODEL)
    some = np.random.default_rng(0).normal(size=(ROWS_A_BLOCK, 60, 16))
    for name, count in (("small", 2 * ROWS_A_BLOCK), ("rows", rows)):
        x = np.resize(some.astype("float32"), (count, *some.shape[1:]))
        np.save(FOLDER / f"{name}.npy", x)
        spark_scoring.write_rows(FOLDER / f"{name}.parquet", x)


def measured(name: str, expected: np.ndarray[Any, Any] | None) -> dict[str, Any]:
    """One run, in processes of its own."""
    engine, count = RUNS[name]
    target = FOLDER / "y"
    for path in (target, FOLDER / "warm"):
        shutil.rmtree(path, ignore_errors=True)
    threads = {"GRU2NP_THREADS": str(count)} if engine == "alone" else {}
    paths = [str(ROOT / "examples"), str(ROOT / "benchmarks")]
    done = subprocess.run(
        [sys.executable, __file__, "--one", engine, str(count)],
        env={
            **os.environ,
            **ONE_THREAD,
            **threads,
            "PYTHONPATH": os.pathsep.join(paths),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{name}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    y = outputs(engine, target)
    found["y"] = y
    found["difference"] = 0.0 if expected is None else float(np.abs(y - expected).max())
    return found


def main() -> None:
    """Run everything, and write the record that the page shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FILE")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        engine, workers = options.one
        print(json.dumps(one(engine, int(workers), FOLDER / "y")))
        return
    load = os.getloadavg()[0]
    sys.path.insert(0, str(ROOT / "examples"))
    prepare(options.rows)
    runs: dict[str, dict[str, Any]] = {
        name: {"seconds": [], "processor": [], "difference": 0.0} for name in RUNS
    }
    expected = None
    for _ in range(options.rounds):
        for name, run in runs.items():
            found = measured(name, expected)
            expected = found["y"] if expected is None else expected
            run["seconds"].append(round(found["seconds"], 2))
            run["processor"].append(round(found["processor"], 2))
            run["difference"] = max(run["difference"], found["difference"])
            print(f"{name}: {found['seconds']:.1f} s", file=sys.stderr, flush=True)
    record = {
        "date": str(datetime.date.today()),
        "processors": os.cpu_count(),
        "load": round(load, 1),
        "rows": options.rows,
        "shape": [MODEL.time, MODEL.features],
        "units": MODEL.units,
        "versions": {
            "Python": platform.python_version(),
            **{
                name: metadata.version(name)
                for name in ("numpy", "dask", "ray", "pyspark")
            },
        },
        "runs": runs,
    }
    options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
