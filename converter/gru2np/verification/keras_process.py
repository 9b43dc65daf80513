"""The child process: a request written down, a Keras started, its answer read.

The two talk through files in a temporary folder, arrays as ``.npz`` without pickles;
``keras_child.py`` is the other side.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import VerificationError
from gru2np.verification import handed_over, plain_config
from gru2np.verification.faithful import INSTEAD, SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.conversion import Conversion
    from gru2np.verification.faithful import Keras

    Array = NDArray[Any]

CHILD = Path(__file__).with_name("keras_child.py")
# What a person waits for has an end: an hour, in seconds.
TIMEOUT = 3600


@dataclass(frozen=True)
class Answered:
    """What Keras gave.

    Attributes:
        keras: which one it was.
        tensorflow: the version it ran on.
        outputs: by key of a dict, else in order, as (key, array, dtype in Keras).
        nodes: outputs of every layer call, by path and number of the call.
        classes: class name by path, and whether it is a layer and no operation.
        notes: what had to be done to the file.
    """

    keras: Keras
    tensorflow: str
    outputs: list[tuple[str | None, Array, str]]
    nodes: dict[tuple[tuple[str, ...], int], list[tuple[Array, str]]]
    classes: dict[tuple[str, ...], tuple[str, bool]]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.keras} (tensorflow {self.tensorflow})"


def run(
    conversion: Conversion,
    keras: Keras,
    files: tuple[Path, Path | None],
    inputs: Sequence[Array],
    *,
    batch_size: int | None,
    floatx: str,
    layers: bool,
) -> Answered:
    """Run a Keras beside: load the model, predict, and bring back the arrays.

    Raises:
        VerificationError: Keras cannot load or run the model.
    """
    config = conversion.raw.config
    plain, written = plain_config.plain(conversion, keras2=keras.generation == 2)
    foreign = plain_config.foreign(plain)
    if foreign:
        raise VerificationError(
            f"the file names {', '.join(foreign)}, which is not Keras' own, and Keras "
            f"could run it: {INSTEAD}"
        )
    structure = conversion.built.inputs
    request = {
        "module": keras.module,
        "container": conversion.raw.container,
        "must_be_plain": bool(written or plain_config.foreign(config)),
        "kind": structure.kind,
        "names": structure.names,
        "batch_size": batch_size,
        "floatx": floatx,
        "layers": layers,
    }
    with tempfile.TemporaryDirectory(prefix="gru2np-") as name:
        folder = Path(name)
        container = conversion.raw.container
        request["model"] = str(handed_over.model(files[0], container, folder))
        weights = files[1] and handed_over.weights(files[1], container, folder)
        request["weights"] = str(weights) if weights else None
        (folder / "request.json").write_text(json.dumps(request), "utf-8")
        (folder / "config.json").write_text(json.dumps(plain), "utf-8")
        arrays: dict[str, Any] = {f"x{i}": x for i, x in enumerate(inputs)}
        np.savez(folder / "inputs.npz", **arrays)
        answer = _ask(folder, keras)
        with np.load(folder / "arrays.npz") as data:
            results = {key: data[key] for key in data.files}
    if answer["version"] != keras.version:
        raise VerificationError(
            f"{keras} is installed, but importing {keras.module} gives version "
            f"{answer['version']}: {INSTEAD}"
        )
    return _answered(answer, results, keras, written)


def _answered(
    answer: Mapping[str, Any],
    arrays: Mapping[str, Array],
    keras: Keras,
    written: Sequence[str],
) -> Answered:
    notes = []
    if written:
        notes.append(
            f"the file leaves out what its Keras took for granted; {keras} was told: "
            + ", ".join(written)
        )
    elif answer["plain"]:
        notes.append(
            f"{keras} was given a copy of the file, its configuration without "
            "initializers, regularizers and constraints"
        )
    nodes = {}
    classes = {}
    for node in answer["nodes"]:
        path = tuple(node["path"])
        classes[path] = node["class_name"], node["is_layer"]
        nodes[path, node["call"]] = [
            (arrays[own["array"]], own["dtype"]) for own in node["outputs"]
        ]
    outputs = [
        (own["key"], arrays[own["array"]], own["dtype"]) for own in answer["outputs"]
    ]
    return Answered(keras, answer["tensorflow"], outputs, nodes, classes, tuple(notes))


def environment(folder: Path) -> dict[str, str]:
    """The child's environment: quiet, on the CPU, no setting of the user's Keras."""
    variables = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return {
        **variables,
        "CUDA_VISIBLE_DEVICES": "-1",
        # A keras.json in the user's home could turn floats and axes around.
        "KERAS_HOME": str(folder),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _ask(folder: Path, keras: Keras) -> dict[str, Any]:
    """Start the child, wait for it, read its answer; it ends with this process."""
    command = [sys.executable, str(CHILD), str(folder)]
    try:
        # On any exception, Ctrl-C included, subprocess.run kills the child.
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(folder),
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VerificationError(
            f"{keras} was not done after {TIMEOUT // 60} minutes: give less --input"
        ) from None
    try:
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        text = process.stdout.decode("utf-8", "replace").strip().splitlines()
        lines = "".join(f"\n  {line}" for line in text[-SHOWN:])
        raise VerificationError(
            f"the process that ran {keras} ended with code {process.returncode}:{lines}"
        ) from None
    if "failed" in answer:
        doing = {"import": "be imported", "load": "load this file"}
        what = doing.get(answer["failed"], "run this model")
        raise VerificationError(
            f"{keras} is the right one for this file, but cannot {what}: "
            f"{_last_line(answer['error'])}\n{INSTEAD}"
        )
    return answer


def _last_line(text: str) -> str:
    """What Keras says last of the mistake itself, its list of arguments left out."""
    plain = re.sub(r"\x1b\[\d*m", "", text)
    plain = re.split(r"(?:Call a|A)rguments received by", plain)[0]
    # TensorFlow ends with the node of its graph, [[{{node ...}}]].
    lines = [line.strip() for line in plain.splitlines() if "{{node" not in line]
    return next((line for line in lines[::-1] if line), "")
