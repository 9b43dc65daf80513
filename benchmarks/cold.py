"""From nothing to the first prediction: whole processes, and what is installed."""

from __future__ import annotations

import importlib.metadata
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fleet import ROOT, environment

_DATA = "import sys, numpy as np; f = sys.argv[1]; x = np.load(f + '/x.npy'); "
_OURS = "from gru2np_runtime import load; load(f + '/model.npz').predict(x)"
_ONNX = (
    "import onnxruntime as o; s = o.InferenceSession(f + '/native.onnx', "
    "providers=['CPUExecutionProvider']); s.run(None, {'x': x})"
)
_LITERT = (
    "from ai_edge_litert.interpreter import Interpreter as I; "
    "i = I(f + '/model.tflite'); i.allocate_tensors(); "
    "i.set_tensor(i.get_input_details()[0]['index'], x); i.invoke(); "
    "i.get_tensor(i.get_output_details()[0]['index'])"
)
_OPENVINO = (
    "import openvino; c = openvino.Core(); "
    "c.compile_model(c.read_model(f + '/native.onnx'), 'CPU')([x])"
)
_PYTORCH = (
    "import json, pathlib; p = pathlib.Path(f); from models import Workload; "
    "from peers.pytorch import start; "
    "w = Workload.from_json(json.loads((p / 'workload.json').read_text())); "
    "start('', None).load(w, p)()(x)"
)
_KERAS = (
    "import os; os.environ['KERAS_BACKEND'] = 'tensorflow'; import keras; "
    "keras.saving.load_model(f + '/model.keras').predict(x, verbose=0)"
)
NUMPY = "NumPy alone"
# Seconds for one process; from how many on it is started in a FEW rounds only.
LIMIT, LONG, FEW = 120, 1.5, 3
# Of this process alone: what the system says of a child counts its parent's too.
_MEMORY = (
    "\nimport os\nif os.path.exists('/proc/self/status'):"
    "\n    print(open('/proc/self/status').read())"
)
# Name: code, environment, distributions that it needs beside NumPy.
PROCESSES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    NUMPY: ("x.sum()", {}, []),
    "gru2np numpy": (_OURS, {"GRU2NP_KERNEL": "numpy"}, []),
    "gru2np c": (_OURS, {"GRU2NP_KERNEL": "c"}, []),
    "ONNX Runtime": (_ONNX, {}, ["onnxruntime"]),
    "LiteRT": (_LITERT, {}, ["ai-edge-litert"]),
    "OpenVINO": (_OPENVINO, {}, ["openvino"]),
    "PyTorch": (_PYTORCH, {}, ["torch"]),
    "Keras predict": (_KERAS, {}, ["keras", "tensorflow-cpu", "tensorflow"]),
}


def measure(
    folder: Path, missing: set[str], rounds: int, seconds: float
) -> dict[str, Any]:
    """Wall and CPU seconds, peak memory and installed size of each.

    What starts in a moment is started more often; what is above NumPy alone is the
    median of the differences to its start in the same round.

    Args:
        folder: of the workload.
        missing: runtimes that are not to be had.
        rounds: how often every process is started, in random order, at most.
        seconds: for all rounds together; there are at least two.
    """
    end = time.perf_counter() + seconds
    # By process and round; the first round reads from the disk and does not count.
    taken: dict[str, dict[int, tuple[float, float, float]]] = {
        name: {} for name in PROCESSES if name not in missing
    }
    failed: dict[str, str] = {}
    slow: set[str] = set()
    order = random.Random(1)
    for number in range(rounds + 1):
        if number > 2 and time.perf_counter() > end:
            break
        names = [name for name in taken if name not in failed]
        names = [name for name in names if name not in slow or number <= FEW]
        order.shuffle(names)
        for name in names:
            figures = _start(name, folder)
            if figures is None:
                failed[name] = "the process failed"
            elif number:
                taken[name][number] = figures
            elif figures[0] > LONG:
                slow.add(name)
    found: dict[str, Any] = {}
    for name, all_of_it in taken.items():
        if name in failed:
            found[name] = {"error": failed[name]}
            continue
        wall, cpu, memory = (
            statistics.median(column)
            for column in zip(*all_of_it.values(), strict=True)
        )
        alone = taken[NUMPY]
        over = [own[1] - alone[n][1] for n, own in all_of_it.items() if n in alone]
        size = installed(["numpy", *PROCESSES[name][2]])
        if name.startswith("gru2np"):
            size += folder_size(ROOT / "runtime" / "gru2np_runtime")
        found[name] = {"wall": wall, "cpu": cpu, "memory": memory, "size": size}
        found[name]["over"] = statistics.median(over) if over else 0.0
    return found


def _start(name: str, folder: Path) -> tuple[float, float, float] | None:
    """Wall seconds, CPU seconds and peak memory in bytes; None where it fails."""
    code, more, _ = PROCESSES[name]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _DATA + code + _MEMORY, str(folder)],
        env=environment(1) | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    text = process.stdout.read()
    process.stdout.close()
    timer.cancel()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return None
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if match := re.search(r"VmHWM:\s*(\d+) kB", text):
        peak = int(match[1]) * 1024
    return wall, usage.ru_utime + usage.ru_stime, peak


def folder_size(folder: Path) -> int:
    """Bytes of a folder, without what Python compiles into it."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def installed(names: list[str]) -> int:
    """Bytes of these distributions and of all that they require."""
    seen: set[str] = set()
    waiting = list(names)
    total = 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # Required on another system only.
        for file in distribution.files or []:
            path = Path(str(distribution.locate_file(file)))
            if path.is_file() and "__pycache__" not in path.parts:
                total += path.stat().st_size
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement:
                match = re.match(r"[\w.-]+", requirement)
                waiting.extend([match[0]] if match else [])
    return total
