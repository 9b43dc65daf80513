"""The reference: the Keras that means what the file meant, run in a child process.

A manifest writes out everything a model means.  So an installed Keras is faithful to a
file exactly if converting the file once more, as that Keras would read it, gives the
same manifest.  Files of Keras 2 are read by tf-keras, files of Keras 3 by Keras 3.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np import _plain_config
from gru2np.errors import Gru2npError, VerificationError
from gru2np.export import converted
from gru2np.generations import keras2, keras3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.export import Conversion

    Array = NDArray[Any]

CHILD = Path(__file__).with_name("_keras_child.py")
# What a person waits for has an end: an hour, in seconds.
TIMEOUT = 3600
# Import name and distribution of what can read a generation; the first one installed.
READERS = {2: (("tf_keras", "tf-keras"), ("keras", "keras")), 3: (("keras", "keras"),)}
INTERPRET = {2: keras2.interpret, 3: keras3.interpret}
INSTEAD = "give outputs that were recorded when the model was trained with --expected"
_SUFFIX = {"hdf5": ".h5", "keras": ".keras"}
_SHOWN = 5


@dataclass(frozen=True)
class Keras:
    """An installed Keras.

    Attributes:
        module: as it is imported.
        name: as it is installed.
        version: of the distribution.
    """

    module: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{'Keras' if self.name == 'keras' else self.name} {self.version}"


@dataclass(frozen=True)
class Answered:
    """What Keras gave.

    Attributes:
        keras: which one it was.
        tensorflow: the version it ran on.
        outputs: by key of a dict, else in order, as (key, array, dtype in Keras).
        nodes: outputs of every layer call, by path and number of the call.
        classes: class names by path.
        notes: what had to be done to the file.
    """

    keras: Keras
    tensorflow: str
    outputs: list[tuple[str | None, Array, str]]
    nodes: dict[tuple[tuple[str, ...], int], list[tuple[Array, str]]]
    classes: dict[tuple[str, ...], str]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.keras} (tensorflow {self.tensorflow})"


def choose(conversion: Conversion) -> Keras:
    """The installed Keras that means what the file meant.

    Raises:
        VerificationError: there is none; the message says what to do.
    """
    text = conversion.raw.keras_version or "3"
    generation = int(text.partition(".")[0])
    if generation not in READERS:
        raise VerificationError(
            f"saved by Keras {text}, which no Keras of today can stand for: {INSTEAD}"
        )
    keras = _installed(generation)
    if keras is None or importlib.util.find_spec("tensorflow") is None:
        name = READERS[generation][0][1]
        raise VerificationError(
            f"a model of {conversion.meaning.keras} is verified with {name} on "
            "TensorFlow, which is not installed: pip install 'gru2np[verify]', "
            f"or {INSTEAD}"
        )
    found = list(unlike(conversion, generation, keras))
    if found:
        more = len(found) - _SHOWN
        lines = [f"\n  - {line}" for line in found[:_SHOWN]]
        rest = f"\n  - and {more} more" if more > 0 else ""
        raise VerificationError(
            f"{keras} would give other numbers for this file than its own "
            f"{conversion.meaning.keras}:{''.join(lines)}{rest}\n{INSTEAD}"
        )
    return keras


def _installed(generation: int) -> Keras | None:
    for module, name in READERS[generation]:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # tf-keras is Keras 2 whatever it says; the keras of today is Keras 3.
        own = 2 if name == "tf-keras" else int(version.partition(".")[0])
        if own == generation and importlib.util.find_spec(module) is not None:
            return Keras(module, name, version)
    return None


def unlike(conversion: Conversion, generation: int, keras: Keras) -> Iterator[str]:
    """What a Keras would read otherwise in a file, a line for each thing."""
    numbers = [int(number) for number in re.findall(r"\d+", keras.version)[:3]]
    version = (numbers[0], (numbers + [0])[1], (numbers + [0, 0])[2])
    raw = replace(conversion.raw, backend="tensorflow")
    try:
        model, meaning = INTERPRET[generation](raw, version, keras.version)
        other = converted(raw, model, meaning)
    except Gru2npError as error:
        yield f"read as {keras} reads it, {error}"
        return
    ours, theirs = conversion.manifest({}), other.manifest({})
    writer = conversion.meaning.keras
    lines = list(_graphs(ours["graph"], theirs["graph"], writer, str(keras)))
    yield from lines
    stored = {path: tensor.name for path, tensor in conversion.tensors.items()}
    other_stored = {path: tensor.name for path, tensor in other.tensors.items()}
    if not lines and (
        any(ours[key] != theirs[key] for key in ("graph", "inputs", "outputs"))
        or stored != other_stored
    ):
        yield "the order of its layers, inputs, outputs or weights"


def _graphs(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], writer: str, keras: str
) -> Iterator[str]:
    """Where two graphs of one file differ."""
    for path, layer in ours["layers"].items():
        if path in theirs["layers"]:
            yield from _layers(path, layer, theirs["layers"][path], writer, keras)
    nodes = [{n["name"]: n for n in graph["nodes"]} for graph in (ours, theirs)]
    for name in nodes[0].keys() & nodes[1].keys():
        for key in ("inputs", "mask"):
            values = [_references(own[name].get(key)) for own in nodes]
            if values[0] != values[1]:
                yield (
                    f"layer {name!r}: {key}: {writer} takes {values[0]}, "
                    f"{keras} {values[1]}"
                )
    for own, other, who in ((*nodes, writer), (*nodes[::-1], keras)):
        for name in own.keys() - other.keys():
            layer, _, part = name.partition("#")
            yield f"layer {layer!r}: only {who} computes {part or 'it'!r}"


def _layers(
    path: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], writer: str, keras: str
) -> Iterator[str]:
    if "graph" in ours and "graph" in theirs:
        yield from _graphs(ours["graph"], theirs["graph"], writer, keras)
        return
    options = ours.get("attributes", {}), theirs.get("attributes", {})
    for key in options[0].keys() | options[1].keys():
        values = [own.get(key) for own in options]
        if values[0] != values[1]:
            yield (
                f"layer {path!r}: {key}: {writer} means {values[0]!r}, "
                f"{keras} means {values[1]!r}"
            )
    inside = theirs.get("layers", {})
    for name, child in ours.get("layers", {}).items():
        if name in inside:
            yield from _layers(f"{path}/{name}", child, inside[name], writer, keras)


def _references(value: Any) -> str:
    if value is None:
        return "none"
    refs = [value] if isinstance(value[0], str) else value
    return ", ".join(repr(name) for name, _ in refs)


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
    keras2_file = keras.module == "tf_keras" or keras.version.startswith("2")
    plain = _plain_config.plain(config, keras2=keras2_file)
    left_out = _plain_config.leaves_out(config) if keras2_file else []
    foreign = _plain_config.foreign(plain)
    if foreign:
        raise VerificationError(
            f"the file names {', '.join(foreign)}, which is not Keras' own, and Keras "
            f"could run it: {INSTEAD}"
        )
    must_be_plain = bool(left_out or _plain_config.foreign(config))
    structure = conversion.built.inputs
    request = {
        "module": keras.module,
        "container": conversion.raw.container,
        "must_be_plain": must_be_plain,
        "kind": structure.kind,
        "names": structure.names,
        "batch_size": batch_size,
        "floatx": floatx,
        "layers": layers,
    }
    with tempfile.TemporaryDirectory(prefix="gru2np-") as name:
        folder = Path(name)
        request["model"] = str(_named_right(files[0], conversion, folder, False))
        weights = files[1] and _named_right(files[1], conversion, folder, True)
        request["weights"] = str(weights) if weights else None
        (folder / "request.json").write_text(json.dumps(request), "utf-8")
        (folder / "config.json").write_text(json.dumps(plain), "utf-8")
        arrays = {f"x{i}": array for i, array in enumerate(inputs)}
        np.savez(folder / "inputs.npz", **arrays)
        answer = _ask(folder, keras)
        with np.load(folder / "arrays.npz") as data:
            results = {key: data[key] for key in data.files}
    if answer["version"] != keras.version:
        raise VerificationError(
            f"{keras} is installed, but importing {keras.module} gives version "
            f"{answer['version']}: {INSTEAD}"
        )
    return _answered(answer, results, keras, left_out)


def _answered(
    answer: Mapping[str, Any],
    arrays: Mapping[str, Array],
    keras: Keras,
    left_out: Sequence[str],
) -> Answered:
    notes = []
    if left_out:
        notes.append(
            f"the file leaves out what its Keras took for granted; {keras} was told: "
            + ", ".join(left_out)
        )
    elif answer["plain"]:
        notes.append(
            f"{keras} was given the model without initializers, regularizers and "
            "constraints"
        )
    nodes = {}
    classes = {}
    for node in answer["nodes"]:
        path = tuple(node["path"])
        classes[path] = node["class_name"]
        nodes[path, node["call"]] = [
            (arrays[own["array"]], own["dtype"]) for own in node["outputs"]
        ]
    outputs = [
        (own["key"], arrays[own["array"]], own["dtype"]) for own in answer["outputs"]
    ]
    return Answered(keras, answer["tensorflow"], outputs, nodes, classes, tuple(notes))


def _named_right(
    path: Path, conversion: Conversion, folder: Path, weights: bool
) -> Path:
    """The file under a suffix that Keras goes by; files are often called otherwise."""
    container = conversion.raw.container
    if weights:
        suffix = ".weights.h5" if container == "json+weights.h5" else ".h5"
    else:
        suffix = _SUFFIX.get(container, ".json")
    target = folder / f"{'trained' if weights else 'model'}{suffix}"
    try:
        target.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)
    return target


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
        lines = "".join(f"\n  {line}" for line in text[-_SHOWN:])
        raise VerificationError(
            f"the process that ran {keras} ended with code {process.returncode}:{lines}"
        ) from None
    if "failed" in answer:
        doing = {"import": "be imported", "load": "load this file"}
        error = next(line for line in answer["error"].splitlines()[::-1] if line.strip())
        raise VerificationError(
            f"{keras} is the right one for this file, but cannot "
            f"{doing.get(answer['failed'], 'run this model')}: {error.strip()}\n{INSTEAD}"
        )
    return answer
