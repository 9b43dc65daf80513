"""Commands that are killed: what they leave, and what the next run makes of it.

The process of a ``Nursery`` has imported everything.  It forks to run a command, so a
run costs some hundredths of a second, and kills it as it is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
KEPT = "keras-2.2/get_weights_explained"  # one input, one output
SEVERAL = "keras-2.2/relu_layers"  # one input, four outputs
OTHER = "keras-2.2/gru"
ROWS = 300
# When a page was written.
MINUTE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
PREDICT = ("predict", "model.npz", "-i", "x.npy", "--batch-size", "16", "-o")
RECORDED = ("--input", "keras_x.npy", "--expected", "keras_y.npy")


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        arguments: of the command.
        output: what it writes.
        case: the fixture that it is about.
        program: that has the command.
        again: options of the next run where the output is there, and where it is not.
        real_keras: whether it runs Keras, which takes its time.
    """

    arguments: tuple[str, ...]
    output: str
    case: str = KEPT
    program: str = "gru2np"
    again: tuple[tuple[str, ...], tuple[str, ...]] = (("--force",), ())
    real_keras: bool = False


FORCED = (("--force",), ("--force",))
RESUMED = (("--force",), ("--resume",))
NO_OPTION = ((), ())
COMMANDS = {
    "export": Command(("export", "model.h5", "-o", "m.npz"), "m.npz"),
    "export --store": Command(
        ("export", "model.h5", "-o", "m.npz", "--store", "int8"), "m.npz"
    ),
    "predict": Command((*PREDICT, "y.npy"), "y.npy", again=FORCED),
    "predict --resume": Command((*PREDICT, "y.npy"), "y.npy", again=RESUMED),
    "predict .npz": Command((*PREDICT, "y.npz"), "y.npz", SEVERAL, again=RESUMED),
    "predict .csv": Command((*PREDICT, "y.csv"), "y.csv", SEVERAL, again=RESUMED),
    "runtime predict": Command(
        (*PREDICT, "y.npy"), "y.npy", program="gru2np_runtime", again=RESUMED
    ),
    "verify --record": Command(
        ("verify", "model.h5", "model.npz", *RECORDED, "--record"),
        "model.npz",
        again=NO_OPTION,
    ),
    "verify --report": Command(
        ("verify", "model.h5", "model.npz", *RECORDED, "--report", "page.html"),
        "page.html",
    ),
    "verify --record, Keras": Command(
        ("verify", "model.h5", "model.npz", "--case", "zeros", "--record"),
        "model.npz",
        again=NO_OPTION,
        real_keras=True,
    ),
    "inspect --report": Command(
        ("inspect", "model.h5", "--report", "page.html"), "page.html"
    ),
    "upgrade": Command(("upgrade", "model.h5", "-o", "new.keras"), "new.keras"),
    "upgrade --verify": Command(
        ("upgrade", "model.h5", "-o", "new.keras", "--verify"),
        "new.keras",
        real_keras=True,
    ),
    "ship": Command(("ship", "model.npz", "device"), "device", again=FORCED),
}


class Killing:
    """Runs of one command in a folder, killed or not.

    Attributes:
        outcomes: how many kills left the output as it was, new, or absent, and how many
            left unfinished work.

    Args:
        name: of the command.
        folder: an empty folder.
        nursery: that runs it.
    """

    def __init__(self, name: str, folder: Path, nursery: Nursery) -> None:
        self.command = COMMANDS[name]
        self.outcomes: Counter[str] = Counter()
        self.work, self.temporary = folder / "work", folder / "temporary"
        self.template = folder / "template"
        _prepare(self.command, self.template)
        self.nursery = nursery
        self.before: dict[str, str] = {}
        self.old = self._old(folder / "old")
        self.reset(old=False)
        self.reference = self.run()
        self.after = listing(self.work)
        self.new = _below(self.after, self.command.output)
        assert self.new, self.reference

    def _old(self, folder: Path) -> Path | None:
        """An older output, of another model; None where it is the input itself."""
        if (self.template / self.command.output).exists():
            return None
        _prepare(Command((), "", OTHER), folder)
        place = folder / self.command.output
        if self.command.arguments[0] == "ship":
            from gru2np.ship import ship

            ship(folder / "model.npz", place)
        else:
            place.write_bytes(b"an older output")
        return place

    def reset(self, *, old: bool) -> None:
        """Begin anew, with an older output or with none."""
        for path in (self.work, self.temporary):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.template, self.work)
        self.temporary.mkdir()
        target = self.work / self.command.output
        if old and self.old is not None:
            copy = shutil.copytree if self.old.is_dir() else shutil.copyfile
            copy(self.old, target)
        self.before = listing(self.work)

    def run(self, kill: dict[str, float] | None = None) -> dict[str, float]:
        """Run the command in whatever its folder holds; killed, if it lives so long."""
        there = (self.work / self.command.output).exists()
        options = self.command.again[0 if there else 1]
        arguments = [*self.command.arguments, *options]
        answer = self.ask(arguments, kill)
        assert answer["code"] in (0, -signal.SIGKILL), (arguments, answer)
        assert answer["code"] == 0 or kill is not None, (arguments, answer)
        if kill is not None and answer["code"] != 0:
            self.judge()
        return answer

    def ask(
        self, arguments: list[str], kill: dict[str, float] | None = None
    ) -> dict[str, float]:
        """What becomes of the command with these arguments."""
        folders = [str(self.work), str(self.temporary)]
        return self.nursery.ask(*folders, self.command.program, arguments, kill)

    def judge(self) -> None:
        """What a kill has left: nothing lost, nothing half."""
        found, output = listing(self.work), self.command.output
        own = {name: digest for name, digest in found.items() if not _unfinished(name)}
        now = _below(own, output)
        states = {
            "as before": _below(self.before, output),
            "new": self.new,
            "absent": {},
        }
        state = next((key for key, value in states.items() if now == value), "")
        assert state, f"half an output: {sorted(now)}"
        rest = {key: value for key, value in own.items() if key not in now}
        inputs = _without(self.before, output)
        assert rest == inputs, (
            f"other files changed: {set(rest.items()) ^ set(inputs.items())}"
        )
        self.outcomes[state] += 1
        if len(found) != len(own) or any(self.temporary.iterdir()):
            self.outcomes["unfinished work"] += 1

    def finish(self) -> None:
        """The next run gives the output, and leaves nothing else."""
        self.run()
        assert listing(self.work) == self.after, (
            f"left behind: {set(listing(self.work)) ^ set(self.after)}"
        )
        left = [path.name for path in self.temporary.iterdir()]
        assert not left, f"left behind: {left}"


def at_random(name: str, seed: int, kills: int, folder: Path) -> Counter[str]:
    """Kill a command at random moments, most of them while it writes.

    Args:
        name: of the command.
        seed: of the moments.
        kills: how many.
        folder: an empty folder.
    """
    rng = random.Random(f"{name} {seed}")
    with Nursery() as nursery:
        killing = Killing(name, folder, nursery)
        measured = killing.reference
        killed = 0
        while killed < kills:
            killing.reset(old=rng.random() < 0.5)
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                if rng.random() < 0.25:
                    kill = {"begun": 0, "seconds": rng.uniform(0, measured["seconds"])}
                else:
                    span = measured["seconds"] - measured["began"]
                    kill = {"begun": 1, "seconds": rng.uniform(0, span)}
                killed += killing.run(kill)["code"] != 0
            killing.finish()
        return killing.outcomes


def at_steps(name: str, folder: Path, nursery: Nursery, most: int) -> Counter[str]:
    """Kill a command before some of its steps in the file system.

    Args:
        name: of the command.
        folder: an empty folder.
        nursery: that runs it.
        most: the number of the last steps, and of others.
    """
    killing = Killing(name, folder, nursery)
    count = int(killing.reference["events"])
    others = np.linspace(1, count, most).astype(int).tolist()
    events = sorted({*others, *range(max(1, count - most), count + 1)})
    for number, event in enumerate(events):
        killing.reset(old=number % 4 != 0)
        killing.run({"event": event})
        killing.finish()
    return killing.outcomes


def listing(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder; empty for a folder."""
    return {
        path.relative_to(folder).as_posix(): "" if path.is_dir() else _digest(path)
        for path in folder.rglob("*")
    }


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".html":
        data = MINUTE.sub(b"", data)
    return hashlib.sha256(data).hexdigest()


def _below(found: dict[str, str], name: str) -> dict[str, str]:
    return {
        key: value
        for key, value in found.items()
        if key == name or key.startswith(f"{name}/")
    }


def _without(found: dict[str, str], name: str) -> dict[str, str]:
    return {key: found[key] for key in set(found) - set(_below(found, name))}


def _unfinished(name: str) -> bool:
    top = name.split("/")[0]
    return top.endswith(".partial") or (top.startswith(".") and ".gru2np-" in top)


def _prepare(command: Command, folder: Path) -> None:
    """The files that a command reads."""
    import goldens
    import gru2np
    from gru2np_runtime import load

    folder.mkdir()
    golden = goldens.Golden(goldens.FIXTURES / command.case)
    shutil.copyfile(golden.files()[0], folder / "model.h5")
    gru2np.export(folder / "model.h5", folder / "model.npz")
    (x,) = golden.arrays(0, "x")
    np.save(folder / "keras_x.npy", x)
    np.save(folder / "keras_y.npy", golden.arrays(0, "y")[0])
    shape = (ROWS, *(n or 5 for n in load(folder / "model.npz").input_shapes[0][1:]))
    np.save(folder / "x.npy", np.resize(x, shape))


class Nursery:
    """A process that runs commands in forks of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                # Threads are lost in a fork.
                "GRU2NP_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *error: object) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()

    def ask(
        self,
        folder: str,
        temporary: str,
        program: str,
        arguments: list[str],
        kill: dict[str, float] | None,
    ) -> dict[str, float]:
        """Exit code, seconds, seconds before the first step in the file system, steps.

        Args:
            folder: in which it runs.
            temporary: its folder of temporary files.
            program: ``gru2np`` or ``gru2np_runtime``.
            arguments: of it.
            kill: before the step ``event``; or when so many ``seconds`` have passed
                since it started or, with ``begun``, since its first step.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = [folder, temporary, program, arguments, kill]
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        assert not answer["orphans"], answer
        return answer


# In the process of a nursery

# Steps in the file system, as Python's audit hooks name them.
STEPS = {
    *("fcntl.flock", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
    *("os.truncate", "os.chmod"),
}
WRITING = os.O_WRONLY | os.O_RDWR
SUBREAPER = 36
# How long the children of a killed process may take to notice.
PATIENCE = 120


def serve() -> None:
    """Answer each line of standard input."""
    import pkgutil

    import gru2np
    import gru2np_runtime

    for package in (gru2np, gru2np_runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" not in module.name and "keras_child" not in module.name:
                __import__(module.name)
    import gru2np_runtime.__main__
    from gru2np_runtime.files import partial

    # A journal after every batch, so that there is something to resume.
    partial.INTERVAL = 0.0
    # Orphans become children of this process, which can wait for their end.
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        answer = _run(*json.loads(line))
        print(json.dumps(answer), flush=True)


def _run(
    folder: str,
    temporary: str,
    program: str,
    arguments: list[str],
    kill: dict[str, float] | None,
) -> dict[str, float]:
    events, tell = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.close(events)
            os.chdir(folder)
            tempfile.tempdir = os.environ["TMPDIR"] = temporary
            _be_quiet(Path(temporary).with_name("said"))
            sys.addaudithook(_hook(tell, int((kill or {}).get("event", 0))))
            code = _call(program, arguments)
        finally:
            os._exit(code)
    os.close(tell)
    steps, began = 0, 0.0
    if kill is not None and "seconds" in kill:
        if kill["begun"]:
            steps += len(os.read(events, 1))
        time.sleep(kill["seconds"])
        os.kill(child, signal.SIGKILL)
    while found := os.read(events, 1 << 16):
        began = began or time.monotonic() - start
        steps += len(found)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    os.close(events)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "began": began or seconds,
        "events": steps,
        "orphans": _orphans(),
    }


def _call(program: str, arguments: list[str]) -> int:
    if program == "gru2np":
        from gru2np.cli import main

        sys.argv = ["gru2np", *arguments]
        try:
            main()
        except SystemExit as done:
            return int(done.code or 0)
        return 0
    from gru2np_runtime.__main__ import main as runtime_main

    return runtime_main(arguments)


def _be_quiet(path: Path) -> None:
    said = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(said, stream)
    sys.dont_write_bytecode = True


def _hook(tell: int, deadly: int):
    """Tells of each step by a byte, and ends the process before one of them."""
    count = 0

    def hook(event: str, details: tuple[object, ...]) -> None:
        nonlocal count
        opened = (
            event == "open" and isinstance(details[2], int) and details[2] & WRITING
        )
        if event in STEPS or opened:
            count += 1
            if count == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(tell, b".")

    return hook


def _orphans() -> int:
    """Processes that outlive their parent for longer than they need to notice."""
    end = time.monotonic() + PATIENCE
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                select.select([], [], [], 0.01)
        return 1
    return 0


if __name__ == "__main__":
    serve()
