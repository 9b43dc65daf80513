"""Start Keras in a child process: write a request, run the child, read its answer.

Both exchange files in a temporary folder, arrays as ``.npz`` without pickles;
``keras_child.py`` is the other side.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import VerificationError
from gru2np.readers import packed
from gru2np.text import listed
from gru2np.verification import (
    keras_files,
    keras_objects,
    part_in_keras,
    plain_config,
)
from gru2np.verification.evidence import Reference
from gru2np.verification.installed_keras import INSTEAD, SHOWN, NoReader
from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.files.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array, FilePath
    from gru2np.verification.installed_keras import Keras


# Called with what is done now, and the numbers of steps that are done and of all.
Progress = Callable[[str, int, int], object]
CHILD = Path(__file__).with_name("keras_child.py")
# Seconds after which the child is stopped: an hour.
TIMEOUT = 3600
# Seconds between two reports of what it does.
PAUSE = 0.2


def silent(text: str, done: int = 0, total: int = 0) -> None:
    """A ``Progress`` that reports nothing."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of Keras for one case.

    Attributes:
        arrays: in order, as (key, array, dtype in Keras); keys are None unless the
            model gives a dict.
        refused: the error of Keras if it refuses the inputs; else empty.
    """

    arrays: list[tuple[str | None, Array, str]]
    refused: str = ""


@dataclass(frozen=True)
class NodeOutputs:
    """The outputs of one layer call in one case.

    Attributes:
        kind: its class.
        is_layer: True for a layer, False for an operation.
        batches: its outputs, a list for each batch, as (array, dtype in Keras).
    """

    kind: str
    is_layer: bool
    batches: list[list[tuple[Array, str]]]


@dataclass(frozen=True)
class Answered:
    """The outputs of Keras for all cases.

    Attributes:
        keras: the Keras that ran.
        reference: the same with its version of TensorFlow.
        cases: its outputs, case by case.
        notes: sentences on changes that the file needed.
        folder: holds the arrays of layers.
        answer: of the child.
        origins: paths of the model's layers by those in the file that Keras ran, if
            that is another file than the model's own.
    """

    keras: Keras
    reference: Reference
    cases: list[Outputs]
    notes: tuple[str, ...]
    folder: Path
    answer: Mapping[str, Any]
    origins: Mapping[str, str] | None = None

    def nodes(self, case: int) -> dict[str, NodeOutputs]:
        """The outputs of every layer call in a case, by the name of the call's node."""
        records = self.answer["cases"][case].get("nodes")
        if not records:
            return {}
        arrays = _arrays(self.folder / f"nodes{case}.npz")
        return {
            self._node(node["path"], node["call"]): NodeOutputs(
                node["class_name"],
                node["is_layer"],
                [
                    [(arrays[record["array"]], record["dtype"]) for record in batch]
                    for batch in node["batches"]
                ],
            )
            for node in records
        }

    def _node(self, path: Sequence[str], call: int) -> str:
        """The name of the node of a call in the graph of the model."""
        name = "/".join(map(encode_name, path))
        origins = self.origins or {}
        return origins.get(name, name) + (f"#{call}" if call else "")


@contextmanager
def run(
    conversion: Conversion,
    keras: Keras,
    files: tuple[Path, Path | None],
    cases: Sequence[Sequence[Array]],
    *,
    batch_size: int | None,
    floatx: str,
    layers: bool,
    nudged: bool,
    objects: FilePath | None = None,
    progress: Progress = silent,
    names: Sequence[str] = (),
) -> Iterator[Answered]:
    """Run a Keras in a child process: load the model once, predict every case.

    The arrays of layers can be read while the context lasts.

    Args:
        conversion: of the model.
        keras: the Keras to run.
        files: paths of the model and, if they are in another file, of its weights.
        cases: for each case the inputs in order.
        batch_size: rows of a call; None for all rows.
        floatx: Keras' setting.
        layers: record the outputs of every layer too.
        nudged: change every weight in its last digit.
        objects: path of a file of the user's that defines custom objects of Keras.
        progress: called some times a second, with what Keras does.
        names: of the cases.

    Raises:
        VerificationError: Keras cannot load the model, or run it on any of the cases.
    """
    config = conversion.raw.config
    plain, written = plain_config.plain(conversion, keras2=keras.generation == 2)
    needed = sorted(conversion.specs.used)
    keras_objects.give_names(plain, needed, keras_3=keras.generation == 3)
    left_out: list[str] = []
    if conversion.whole_refused is not None:
        plain, left_out = part_in_keras.with_placeholders(conversion, plain)
    foreign = [
        name
        for name in plain_config.foreign(plain)
        if not name.startswith(part_in_keras.PLACEHOLDER)
    ]
    if foreign:
        raise NoReader(
            f"the file names {', '.join(foreign)}, which Keras does not define, and "
            "loading it could run foreign code"
        )
    structure = conversion.built.inputs
    request = {
        "module": keras.module,
        "container": conversion.raw.container,
        "objects": None if objects is None else str(Path(objects).resolve()),
        "needed": needed,
        "must_be_plain": bool(
            written or needed or left_out or plain_config.foreign(config)
        ),
        "part": part_in_keras.request(conversion),
        "left_out": left_out,
        "kind": structure.kind,
        "names": structure.names,
        "cases": len(cases),
        "batch_size": batch_size,
        "floatx": floatx,
        "layers": layers,
        "nudged": nudged,
    }
    with workspace() as folder:
        container = conversion.raw.container
        stored: Path | None
        files = packed.unpacked(files[0], folder), files[1]
        if container == "savedmodel":
            # Without its functions, which could hold any code.
            model, stored = keras_files.architecture(config, folder), files[0]
        else:
            model, stored = keras_files.model(files[0], container, folder), files[1]
        weights = stored and keras_files.weights(stored, container, folder)
        request["model"] = str(model)
        request["weights"] = str(weights) if weights else None
        (folder / "request.json").write_text(json.dumps(request), "utf-8")
        (folder / "config.json").write_text(json.dumps(plain), "utf-8")
        arrays: dict[str, Any] = {
            f"case{number}_x{i}": x
            for number, inputs in enumerate(cases)
            for i, x in enumerate(inputs)
        }
        np.savez(folder / "inputs.npz", **arrays)
        again = " once more, with nudged numbers" if nudged else ""
        steps = _Steps(folder, f"{keras}{again}", names, len(cases), layers)
        answer = _ask(folder, keras, lambda: progress(*steps.now()))
        if answer["version"] != keras.version:
            raise VerificationError(
                f"{keras} is installed, but importing {keras.module} gives version "
                f"{answer['version']}: {INSTEAD}"
            )
        outputs = [_outputs(case, folder, i) for i, case in enumerate(answer["cases"])]
        if all(case.refused for case in outputs):
            cannot = _cannot(keras, "run this model", outputs[0].refused)
            raise VerificationError(f"{cannot}\n{INSTEAD}")
        yield Answered(
            keras,
            Reference(keras.name, keras.version, answer["tensorflow"]),
            outputs,
            _notes(answer, keras, written),
            folder,
            answer,
        )


def _outputs(case: Mapping[str, Any], folder: Path, number: int) -> Outputs:
    if "failed" in case:
        return Outputs([], _last_line(case["failed"]) or "no reason given")
    arrays = _arrays(folder / f"arrays{number}.npz")
    return Outputs(
        [
            (record["key"], arrays[record["array"]], record["dtype"])
            for record in case["outputs"]
        ]
    )


def _arrays(path: Path) -> dict[str, Array]:
    with np.load(path) as data:
        return {key: data[key] for key in data.files}


def _notes(
    answer: Mapping[str, Any], keras: Keras, written: Sequence[str]
) -> tuple[str, ...]:
    if written:
        return (
            "the file leaves out options that had defaults in its Keras; "
            f"{keras} was given: " + ", ".join(written),
        )
    if answer.get("left_out"):
        return (
            f"{keras} was given placeholders for the layers that are not in the part: "
            + listed(answer["left_out"], 8),
        )
    if answer["plain"]:
        return (
            f"{keras} was given a copy of the file without initializers, regularizers "
            "and constraints",
        )
    return ()


def environment(folder: Path) -> dict[str, str]:
    """The child's environment: few messages, the CPU, Keras' default settings."""
    variables = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return {
        **variables,
        "CUDA_VISIBLE_DEVICES": "-1",
        # A keras.json in the user's home could change floatx and the order of axes.
        "KERAS_HOME": str(folder),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


class _Steps:
    """What the child does, by the lines that it has written.

    Args:
        folder: of the child.
        keras: the Keras that runs, in words.
        names: of the cases.
        cases: their number.
        layers: whether the layers of each case follow.
    """

    def __init__(
        self, folder: Path, keras: str, names: Sequence[str], cases: int, layers: bool
    ) -> None:
        self._path, self._keras = folder / "progress", keras
        titles = list(names) or [str(number + 1) for number in range(cases)]
        self._todo = [f"{keras}: case {name}" for name in titles]
        if layers:
            self._todo += [f"{keras}: layers in case {name}" for name in titles]

    def now(self) -> tuple[str, int, int]:
        """In words, and the numbers of steps that are done and of all."""
        done = self._path.read_text("utf-8").split() if self._path.exists() else []
        if len(done) < 2:
            doing = ("starting {}", "{} reads the model")[len(done)]
            return doing.format(self._keras), 0, 0
        number = min(len(done) - 2, len(self._todo) - 1)
        return self._todo[number], number, len(self._todo)


def _ask(folder: Path, keras: Keras, progress: Callable[[], object]) -> dict[str, Any]:
    """Start the child, wait for it, read its answer."""
    command = [sys.executable, str(CHILD), str(folder)]
    deadline = time.monotonic() + TIMEOUT
    # Closed by the system when this process is killed; the child then ends, too.
    read, write = os.pipe()
    with (
        os.fdopen(write, "wb"),
        os.fdopen(read, "rb") as ours,
        subprocess.Popen(
            command,
            stdin=ours,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(folder),
        ) as process,
    ):
        try:
            output = None
            while output is None:
                progress()
                with suppress(subprocess.TimeoutExpired):
                    output, _ = process.communicate(timeout=PAUSE)
                if output is None and time.monotonic() > deadline:
                    raise VerificationError(
                        f"{keras} was not done after {TIMEOUT // 60} minutes: give "
                        "fewer rows with --input"
                    )
        except BaseException:  # Ctrl-C too
            process.kill()
            raise
    try:
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        text = output.decode("utf-8", "replace").strip().splitlines()
        lines = "".join(f"\n  {line}" for line in text[-SHOWN:])
        raise VerificationError(
            f"the process that ran {keras} ended with code {process.returncode}:{lines}"
        ) from None
    if "failed" in answer:
        doing = {
            "import": "be imported",
            "load": "load this file",
            "objects": "use the file of custom objects",
            "part": "make a model of this part",
        }
        what = doing.get(answer["failed"], "run this model")
        cannot = _cannot(keras, what, _last_line(answer["error"]))
        if answer["failed"] == "load":
            raise NoReader(cannot, "\n")
        raise VerificationError(f"{cannot}\n{INSTEAD}")
    return answer


def _cannot(keras: Keras, what: str, reason: str) -> str:
    return f"{keras} is the right Keras for this file, but cannot {what}: {reason}"


def _last_line(text: str) -> str:
    """The last line of an error of Keras, without its list of arguments."""
    plain = re.sub(r"\x1b\[\d*m", "", text)
    plain = re.split(r"(?:Call a|A)rguments received by", plain)[0]
    # TensorFlow adds the node of its graph, [[{{node ...}}]].
    lines = [line.strip() for line in plain.splitlines() if "{{node" not in line]
    return next((line for line in lines[::-1] if line), "")
