"""From a saved Keras model to its graph, its weights found: nothing read yet."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.differences import graph_differences
from gru2np.errors import UnsupportedModelError
from gru2np.generations import interpret
from gru2np.graph.flatten import build
from gru2np.graph.prune import Owner, needed, owners_of
from gru2np.layers.custom import Specs
from gru2np.readers import open_model
from gru2np.weights.match import find
from gru2np_runtime import __version__
from gru2np_runtime.attributes import OWN
from gru2np_runtime.bundle.manifest import FORMAT, MANIFEST_VERSION
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gru2np.graph.flatten import Built
    from gru2np.ir import FilePath, KerasModel, RawModel, StoredTensor
    from gru2np.layers.custom import CustomObjects
    from gru2np.meaning import Meaning, Readings


# How many differences are shown of a model that may mean one or the other.
MOST_LINES = 5


@dataclass(frozen=True)
class Conversion:
    """A model converted and its weights found, nothing of them read yet.

    Attributes:
        raw: the file, open.
        model: the model in one spelling.
        meaning: what its Keras meant.
        built: its graph, with what nobody needs taken out.
        tensors: the stored array of every weight, by path in the bundle.
        owners: by the same paths, the layers they belong to.
    """

    raw: RawModel
    model: KerasModel
    meaning: Meaning
    built: Built
    tensors: Mapping[str, StoredTensor]
    owners: Mapping[str, Owner]

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """The weights as the bundle holds them, each read when it is asked for."""
        return _Weights(self)

    def array(self, path: str) -> NDArray[Any]:
        """A weight as the bundle holds it: float16, or what its layer computes in."""
        array = self.tensors[path].read()
        dtype = self.owners[path].dtype
        if array.dtype == np.float16 and dtype == "float32":
            return array
        return array.astype(dtype, copy=False)

    def manifest(self, weights: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The manifest; ``weights`` are the records of the weights by path."""
        by_layer: dict[str, dict[str, Any]] = {}
        for path, record in weights.items():
            layer = self.owners[path].path
            by_layer.setdefault(layer, {})[path[len(layer) + 1 :]] = record

        # A class says itself how it treats time.
        custom = {
            layer.op[len(OWN) :]: {"kind": "layer", "per_step": None}
            for _, layer in walk(self.built.graph)
            if layer.op.startswith(OWN)
        }

        def describe(path: str) -> dict[str, Any]:
            more: dict[str, Any] = {"weights": by_layer.get(path, {})}
            if path in self.built.titles:
                name, class_name = self.built.titles[path]
                more["keras"] = {"name": name, "class_name": class_name}
            return more

        return {
            "format": FORMAT,
            "version": MANIFEST_VERSION,
            "producer": f"gru2np {__version__}",
            "name": self.model.name,
            "source": self.raw.source(),
            "inputs": {
                "kind": self.built.inputs.kind,
                "names": self.built.inputs.names,
            },
            "outputs": {
                "kind": self.built.outputs.kind,
                "names": self.built.outputs.names,
            },
            "graph": graph_record(self.built.graph, describe),
            **({"custom": custom} if custom else {}),
        }


@contextmanager
def model_file(
    model: Any, saved_by: str | None
) -> Iterator[tuple[FilePath, str | None]]:
    """The file of a model, and the Keras that saved it; both are kept if given.

    A ``keras.Model`` is saved to a file that goes with the context.
    """
    if not (hasattr(model, "save") and hasattr(model, "get_config")):
        yield model, saved_by
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        yield path, saved_by or running(model)


def running(model: Any) -> str | None:
    """The imported Keras of a model and its backend, which a file does not name."""
    keras = sys.modules.get(type(model).__module__.partition(".")[0])
    version = str(getattr(keras, "__version__", ""))
    # What is on its way to a release is told by its file alone, and refused there.
    if not re.fullmatch(r"3\.\d+\.\d+", version):
        return None
    return f"{version}-{sys.modules['keras'].backend.backend()}"


class _Weights(Mapping[str, Any]):
    """The weights of a conversion, nothing of them read yet."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion

    def __getitem__(self, path: str) -> NDArray[Any]:
        return self.conversion.array(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self.conversion.tensors)

    def __len__(self) -> int:
        return len(self.conversion.tensors)


@contextmanager
def convert(
    model: FilePath,
    weights: FilePath | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
) -> Iterator[Conversion]:
    """Convert a file, open as long as the context lasts.

    Raises:
        ModelFileError: the file is damaged, hostile or no model, or ``saved_by``
            contradicts it.
        UnsupportedModelError: it cannot be converted faithfully.
        ValueError: ``saved_by`` names no Keras.
    """
    with open_model(model, weights) as found:
        raw = replace(found, saved_by=saved_by)
        keras_model, readings = interpret(raw)
        yield converted(raw, keras_model, readings, custom_objects)


def converted(
    raw: RawModel,
    model: KerasModel,
    readings: Readings,
    custom_objects: CustomObjects | None = None,
) -> Conversion:
    """The conversion of a model as its file may be read.

    Raises:
        ModelFileError: its layers do not fit each other, or its weights to them.
        UnsupportedModelError: something cannot be converted, or the releases that may
            have saved it mean different numbers.
    """
    specs = Specs(custom_objects)
    built = _agreed(raw, model, readings, specs)
    built.notes.extend(raw.notes)
    tensors = find(model, built.weights, raw, specs)
    built.graph = needed(built.graph)
    owners = dict(owners_of(built.graph))
    tensors = {path: tensor for path, tensor in tensors.items() if path in owners}
    return Conversion(raw, model, readings.taken, built, tensors, owners)


def _agreed(
    raw: RawModel, model: KerasModel, readings: Readings, specs: Specs
) -> Built:
    """The graph of a model, where all that may have saved it mean the same numbers.

    Where backends differ, a warning says so.
    """
    taken = _attempt(model, readings.taken, specs)
    for other in readings.releases:
        lines = _differences(model, taken, readings.taken_of, other, specs)
        if lines:
            raise UnsupportedModelError(
                f"{raw.file_name}: the file leaves open which Keras saved it, and the "
                f"numbers hang on that:{''.join(lines)}\nSay which it was: --saved-by, "
                "saved_by= in Python; or save the model as .keras, which says it"
            )
    for other in readings.weights:
        lines = _differences(model, taken, readings.taken_of, other, specs)
        if lines:
            raise UnsupportedModelError(
                f"{raw.file_name}: the architecture is of {readings.taken_of} and the "
                f"weights were saved by {other.writer}, and the two mean different "
                f"numbers:{''.join(lines)}\nGive the architecture that model.to_json() "
                "writes in the Keras of the weights"
            )
    if isinstance(taken, UnsupportedModelError):
        raise taken
    for other in readings.backends:
        lines = _differences(model, taken, readings.taken_of, other, specs)
        if lines:
            taken.warnings.append(
                f"the file names no backend, and {readings.taken_of} is taken; if it "
                f"was another, say so (--saved-by):{''.join(lines)}"
            )
            break
    return taken


def _attempt(
    model: KerasModel, meaning: Meaning, specs: Specs
) -> Built | UnsupportedModelError:
    try:
        return build(model, meaning, specs)
    except UnsupportedModelError as error:
        return error


def _differences(
    model: KerasModel,
    taken: Built | UnsupportedModelError,
    taken_of: str,
    other: Meaning,
    specs: Specs,
) -> list[str]:
    """How a model differs by another meaning, a line of a list for each thing."""
    found = _attempt(model, other, specs)
    refused = [
        attempt
        for attempt in (taken, found)
        if isinstance(attempt, UnsupportedModelError)
    ]
    if len(refused) == 2:
        return []
    if refused:
        who = taken_of if refused[0] is taken else other.writer
        return [f"\n  - as {who} means it, {refused[0]}"]
    records = [
        graph_record(attempt.graph, lambda path: {})
        for attempt in (taken, found)
        if not isinstance(attempt, UnsupportedModelError)
    ]
    if records[0] == records[1]:
        return []
    ours, theirs = records
    lines = list(graph_differences(ours, theirs, taken_of, other.writer))[:MOST_LINES]
    return [f"\n  - {line}" for line in lines or ["the order of its layers"]]
