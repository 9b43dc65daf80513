"""Compare two checkouts of this project: ``python benchmarks/revisions.py OLD NEW``.

The converter of OLD makes the bundles, once, from models that Keras builds.  In every
round each checkout times every row in a process of its own, and so does a second
process of OLD: how far the two of OLD are apart tells how far to trust a row.  Two
processes of the same code differ by a few percent as long as they live, so they are
started anew every few rounds.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleet import Handle, environment
from models import BATCHES, NETWORKS, NETWORKS_INPUTS, SEQUENCES, STEPS, Workload
from models import write_data as write_workload
from tables import duration, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from models import Array

    Run = Callable[[], object]

# Above this ratio a row fails; a row says nothing where OLD is so far from itself.
BOUND, NOISE = 1.05, 0.03
# Seconds that a start may take more: what is imported is no matter of ratios.
START_SECONDS = 0.005
# Seconds of a block.  A timing is the best of some blocks in each of some turns; the
# others have theirs in between.  Where one call takes longer, it is the block.
BLOCK, BLOCKS, TURNS = 0.007, 2, 3
# Rounds that a process lives.
LIFE = 3
SMALL = "step-gru20"


def dense(x: Any) -> Any:
    """Three layers, and no time."""
    from keras import layers

    for _ in range(2):
        x = layers.Dense(256, activation="relu")(x)
    return layers.Dense(10, activation="softmax")(x)


def einsum(x: Any) -> Any:
    """A product with a matrix at every time step, there and back."""
    from keras import layers

    for units in (64, 8):
        x = layers.EinsumDense("btx,xy->bty", (None, units), bias_axes="y")(x)
    return x


def convolution(x: Any) -> Any:
    """Convolutions over time, normalised and pooled."""
    from keras import layers

    for _ in range(2):
        x = layers.Conv1D(32, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling1D(2)(layers.BatchNormalization()(x))
    return layers.Dense(4)(layers.GlobalAveragePooling1D()(x))


def small_layers(x: Any) -> Any:
    """Many layers with next to nothing to compute: what running a layer costs."""
    from keras import layers

    for _ in range(4):
        y = layers.Activation("tanh")(layers.Dense(4)(x))
        y = layers.Reshape((4,))(layers.Reshape((2, 2))(y))
        x = layers.LayerNormalization()(layers.Concatenate()([x, y]))
        x = layers.Dense(4)(x)
    return x


def masked(x: Any) -> Any:
    """Sequences of several lengths, padded."""
    from keras import layers

    y = layers.GRU(64, return_sequences=True)(layers.Masking(0.0)(x))
    return layers.Dense(4)(layers.Bidirectional(layers.LSTM(32))(y))


def between(x: Any) -> Any:
    """A recurrent layer between others, which therefore steps layer by layer."""
    from keras import layers

    y = layers.GRU(64, return_sequences=True)(layers.Dense(32, activation="relu")(x))
    return layers.Dense(4)(layers.LayerNormalization()(y))


# Beside those of ``networks.py``: the model, its batch, and one sample of its input.
MADE: dict[str, tuple[Callable[[Any], Any], int, tuple[int, ...]]] = {
    "dense": (dense, 32, (64,)),
    "einsum": (einsum, 256, (20, 8)),
    "convolution": (convolution, 8, (128, 16)),
    "small-layers": (small_layers, 1, (4,)),
    "masked": (masked, 8, (100, 32)),
    "step-between": (between, 1, (10, 32)),
}
WANTED = (
    *("gru64-t100", "gru64-t1000", "lstm64-t100", "bigru128-t100", "rnn64-t100"),
    *("gru64-b32", "gru64-b256", "gru128-b32", "gru128-b256"),
    *("crnn-b1", "transformer-b1"),
)
WORKLOADS = [
    *STEPS,
    *(
        Workload(f"step-{name}64", f"{cell}64", cell=cell, time=1, step=True)
        for name, cell in (("gru", "gru"), ("lstm", "lstm"), ("rnn", "simple_rnn"))
    ),
    *(w for w in (*SEQUENCES, *BATCHES, *NETWORKS) if w.name in WANTED),
    *(
        Workload(name, name, batch=batch, network=name, time=1, step="step" in name)
        for name, (_, batch, _) in MADE.items()
    ),
]
# Without a recurrent layer there is nothing for the C kernel to run.
PLAIN = ("transformer-b1", "dense", "einsum", "convolution", "small-layers")


@dataclass(frozen=True)
class Row:
    """What is timed, and with which kernel.

    Attributes:
        name: in the table.
        model: names the folder of its bundle.
        kernel: ``c`` or ``numpy``.
        what: ``run`` the model; ``load`` it; ``start``, import and load it.
    """

    name: str
    model: str
    kernel: str
    what: str = "run"


ROWS = [
    *(
        Row(f"{workload.name} {kernel}", workload.name, kernel)
        for workload in WORKLOADS
        for kernel in ("c", "numpy")
        if kernel == "numpy" or workload.name not in PLAIN
    ),
    Row("load", SMALL, "c", "load"),
    Row("start", SMALL, "c", "start"),
]


# With the converter and the runtime of OLD, and Keras.


def make(folder: str, *names: str) -> None:
    """Write a folder for each of these models: ``x.npy``, ``model.npz``, ``y.npy``."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import gru2np
    import gru2np_runtime
    from networks import BUILDERS
    from peers.keras_tensorflow import build

    BUILDERS.update({name: builder for name, (builder, _, _) in MADE.items()})
    NETWORKS_INPUTS.update({name: shape for name, (_, _, shape) in MADE.items()})
    for workload in WORKLOADS:
        if workload.name not in names:
            continue
        own = Path(folder) / workload.name
        own.mkdir()
        write_workload(own, workload)
        if workload.network == "masked":
            x = np.load(own / "x.npy")
            for i, row in enumerate(x):
                row[len(row) // (1 + i % 3) :] = 0
            np.save(own / "x.npy", x)
        if workload.step:
            # A bundle that steps is made of the model that runs whole sequences.
            workload = replace(workload, step=False, time=10)
        model = build(workload, own)
        gru2np.export(model, own / "model.npz")
        y, _ = first_run(gru2np_runtime.load(own / "model.npz"), own)
        np.save(own / "y.npy", y)


# In the processes of both.


def first_run(model: Any, folder: Path) -> tuple[Array, Run]:
    """What a model gives for all of ``x.npy``, and a run to be timed."""
    record = json.loads((folder / "workload.json").read_text("utf-8"))
    x = np.load(folder / "x.npy")
    if not Workload.from_json(record).step:
        return model.predict(x), partial(model.predict, x)
    state = model.initial_state(batch_size=1)
    # A step takes (1, features).
    one = x[0]

    def step() -> Any:
        nonlocal state
        y, state = model.step(one, state)
        return y

    outputs = []
    for row in x:
        one = row
        outputs.append(step())
    return np.stack(outputs), step


class Worker:
    """The runtime of one checkout, with all rows ready to run."""

    def __init__(self) -> None:
        import gru2np_runtime

        self.runtime = gru2np_runtime
        self.rows: dict[str, tuple[str, Run]] = {}

    def prepare(self, name: str, folder: str, kernel: str, what: str) -> dict[str, Any]:
        """Load a model, compare what it gives, and find out how long a call takes."""
        os.environ["GRU2NP_KERNEL"] = kernel
        if self.runtime.kernel() != kernel:
            return {"error": "the C kernel is not built"}
        path = Path(folder) / "model.npz"
        y, run = first_run(self.runtime.load(path), Path(folder))
        difference = float(np.abs(y - np.load(path.with_name("y.npy"))).max())
        if not difference < 1e-4:
            return {"error": f"{difference:.1e} from what OLD gave"}
        if what == "load":
            run = partial(self.runtime.load, path)
        self.rows[name] = kernel, run
        calls, seconds = 1, block(run, 1)
        while seconds < BLOCK:
            calls *= 2
            seconds = block(run, calls)
        gc.freeze()
        return {"seconds": seconds / calls}

    def turn(self, name: str, calls: int) -> dict[str, Any]:
        """The best of some blocks, in seconds a call."""
        os.environ["GRU2NP_KERNEL"], run = self.rows[name]
        gc.collect()
        if calls == 1:
            return {"seconds": block(run, 1)}
        run()
        return {"seconds": min(block(run, calls) for _ in range(BLOCKS)) / calls}


def block(run: Run, calls: int) -> float:
    """CPU seconds: those of another process that interrupts are none of ours."""
    start = time.process_time()
    for _ in range(calls):
        run()
    return time.process_time() - start


def serve() -> None:
    """Answer commands until the input ends."""
    worker = Worker()
    print(json.dumps({"version": worker.runtime.__file__}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


# In the process that compares.

START = """
import sys, time, numpy
begin = time.process_time()
import gru2np_runtime
gru2np_runtime.load(sys.argv[1])
print(time.process_time() - begin)
"""


def with_code_of(checkout: Path) -> dict[str, str]:
    """The environment of a process with one thread and the code of a checkout."""
    folders = (checkout / "runtime", checkout / "converter")
    return environment(1) | {"PYTHONPATH": os.pathsep.join(map(str, folders))}


class Side(Handle):
    """A process of one checkout."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        super().__init__(str(checkout), 1)
        self.ready()
        if not Path(self.version).is_relative_to(checkout):
            raise SystemExit(f"{checkout}: no runtime/gru2np_runtime of its own runs")

    def start(self) -> None:
        """Start the process; ``ready`` waits for it."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=with_code_of(self.checkout),
        )

    def prepare(self, row: Row, folder: Path) -> dict[str, Any]:
        """Have the model loaded and called: the seconds of a call, or an error."""
        return self.ask(
            "prepare",
            name=row.name,
            folder=str(folder / row.model),
            kernel=row.kernel,
            what=row.what,
        )

    def turn(self, row: Row, folder: Path, calls: int) -> float:
        """Seconds of a call, or of import and load over NumPy alone."""
        if row.what == "start":
            done = subprocess.run(
                [sys.executable, "-c", START, str(folder / row.model / "model.npz")],
                env=with_code_of(self.checkout) | {"GRU2NP_KERNEL": row.kernel},
                cwd=folder,
                stdout=subprocess.PIPE,
                check=True,
            )
            return float(done.stdout)
        answer = self.ask("turn", name=row.name, calls=calls)
        if "error" in answer:
            raise SystemExit(f"{self.checkout}: {row.name}: {answer['error']}")
        return float(answer["seconds"])


class Comparison:
    """OLD, NEW, and OLD once more.

    Args:
        old: a checkout.
        new: another one.
        rows: what to time.
        folder: of the bundles.

    Attributes:
        taken: seconds a call by row, round and side.
        wrong: by row, why it is not timed.
    """

    def __init__(self, old: Path, new: Path, rows: list[Row], folder: Path) -> None:
        self.checkouts = (old, new, old)
        self.rows, self.folder = rows, folder
        self.taken: dict[str, list[list[float]]] = {row.name: [] for row in rows}
        self.wrong: dict[str, str] = {}
        self.calls: dict[str, int] = {}
        self.random = random.Random(0)

    def measure(self, rounds: int) -> None:
        """Time every row so many times."""
        for first in range(0, rounds, LIFE):
            sides: list[Side] = []
            try:
                sides += map(Side, self.checkouts)
                self._prepare(sides)
                for number in range(first, min(first + LIFE, rounds)):
                    say(f"round {number + 1} of {rounds}")
                    self._round(sides)
            finally:
                for side in sides:
                    side.close()

    def _prepare(self, sides: list[Side]) -> None:
        for row in self.rows:
            for side in sides:
                answer = side.prepare(row, self.folder)
                if "error" in answer:
                    self.wrong[row.name] = f"{side.checkout}: {answer['error']}"
                    break
                # As many for all as OLD needs.
                calls = max(1, round(BLOCK / answer["seconds"]))
                self.calls.setdefault(row.name, calls)

    def _round(self, sides: list[Side]) -> None:
        for row in self.rows:
            if row.name in self.wrong:
                continue
            best = [float("inf")] * len(sides)
            for _ in range(TURNS):
                for i in self.random.sample(range(len(sides)), len(sides)):
                    seconds = sides[i].turn(row, self.folder, self.calls[row.name])
                    best[i] = min(best[i], seconds)
            self.taken[row.name].append(best)


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def verdict(ratio: float, control: float, bound: float = BOUND) -> str:
    """Of a row: ``ok``, ``fail``, or ``void`` where OLD is not like itself.

    What is slower by far more than OLD differs from itself fails all the same.
    """
    apart = abs(control - 1)
    if apart > NOISE and ratio < bound + 2 * apart:
        return "void"
    return "fail" if ratio > bound else "ok"


def make_with(checkout: Path, folder: Path, rows: list[Row]) -> None:
    """Have a checkout make the bundles of these rows."""
    say("making the bundles")
    names = sorted({row.model for row in rows})
    done = subprocess.run(
        [sys.executable, __file__, "--make", str(folder), *names],
        env=with_code_of(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stderr}\n{checkout}: it made no bundles")


def report(found: Comparison) -> int:
    """Print the table; gives how many rows fail."""
    lines = []
    for row in found.rows:
        if row.name in found.wrong:
            lines.append((row.name, "", "", "", f"fail: {found.wrong[row.name]}"))
            continue
        times = found.taken[row.name]
        ratio = statistics.median(new / old for old, new, _ in times)
        control = statistics.median(again / old for old, _, again in times)
        seconds = statistics.median(old for old, _, _ in times)
        bound = 1 + START_SECONDS / seconds if row.what == "start" else BOUND
        told = verdict(ratio, control, bound)
        lines.append(
            (row.name, duration(seconds), f"{ratio:.3f}", f"{control:.3f}", told)
        )
    print("\n".join(table(("row", "old", "new/old", "old/old", "verdict"), lines)))
    fails = sum(line[-1].startswith("fail") for line in lines)
    void = sum(line[-1] == "void" for line in lines)
    print(f"\n{len(lines)} rows: {fails} fail, {void} void")
    return fails


def main() -> int:
    """Compare; 1 where a row fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout, its C kernel built")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("--rounds", type=int, default=15, help="15 if not given")
    parser.add_argument(
        "--row", action="append", help="with or without its kernel; again for more"
    )
    options = parser.parse_args()
    rows = ROWS
    if options.row:
        wanted = set(options.row)
        rows = [r for r in ROWS if {r.name, r.name.partition(" ")[0]} & wanted]
    if not rows or options.rounds < 1:
        names = ", ".join(row.name for row in ROWS)
        parser.error(f"expected one round at least, and rows of these: {names}")
    old, new = options.old.resolve(), options.new.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_with(old, folder, rows)
        found = Comparison(old, new, rows, folder)
        found.measure(options.rounds)
    return 1 if report(found) else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(*sys.argv[2:])
    elif sys.argv[1:2] == ["--serve"]:
        serve()
    else:
        sys.exit(main())
