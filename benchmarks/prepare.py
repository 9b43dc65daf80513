"""Make every file that the runtimes read: weights, data, and each one's model."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from fleet import HERE, ROOT, environment
from models import write_data

if TYPE_CHECKING:
    from pathlib import Path

    from models import Workload

FOLDER = ROOT / "build" / "bench"
SOURCES = (
    "models.py",
    "networks.py",
    "convert.py",
    "onnx_graph.py",
    "peers/keras_tensorflow.py",
)
LITERT, EXPORTED, SAVED = "model.tflite", "exported.onnx", "model.keras"
SMALL_LITERT = "small.tflite"
EXACT = "y.npy"
# Seconds for all conversions.
LIMIT = 600


def _stamp() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def prepare(wanted: dict[Workload, list[str]]) -> dict[str, Path]:
    """Make the folders of the workloads; what an earlier run converted is kept.

    Args:
        wanted: by workload, which of the converted files are needed.

    Returns:
        Folders by the workloads' names.
    """
    stamp = _stamp()
    folders = {}
    to_convert = []
    for workload, names in wanted.items():
        folder = FOLDER / workload.name
        folder.mkdir(parents=True, exist_ok=True)
        stamped = folder / "stamp"
        if not stamped.exists() or stamped.read_text("utf-8") != stamp:
            for path in folder.iterdir():
                path.unlink()
            write_data(folder, workload)
            stamped.write_text(stamp, "utf-8")
        _write_native(folder, workload)
        if workload.network:
            names = [SAVED, EXACT, *names]
        (folder / "wanted.json").write_text(json.dumps(names), "utf-8")
        made = {path.name.removesuffix(".error") for path in folder.iterdir()}
        if not made.issuperset(names):
            to_convert.append(str(folder))
        folders[workload.name] = folder
    # Two processes: conversion is Python, and most of what a first run waits for.
    halves = [to_convert[::2], to_convert[1::2]]
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "convert.py"), *half],
            env=environment(None),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for half in halves
        if half
    ]
    end = time.monotonic() + LIMIT
    for process in processes:
        try:
            process.wait(max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # By the runtime of this tree, whatever else is installed.
    subprocess.run(
        [sys.executable, str(HERE / "bundles.py"), *map(str, folders.values())],
        env=environment(None),
        check=True,
    )
    return folders


def _write_native(folder: Path, workload: Workload) -> None:
    if workload.network:
        return
    from onnx_graph import write_onnx, write_small_onnx

    for name, write in (("native", write_onnx), ("small", write_small_onnx)):
        path, error = folder / f"{name}.onnx", folder / f"{name}.onnx.error"
        if path.exists() or error.exists():
            continue
        try:
            write(folder, workload)
        except (ImportError, ValueError) as caught:
            error.write_text(str(caught), "utf-8")
