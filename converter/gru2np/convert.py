"""From a saved Keras model to its graph and its stored weights, not yet read."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.differences import graph_differences
from gru2np.errors import InputError, ModelFileError, UnsupportedModelError
from gru2np.generations import interpret
from gru2np.graph.cutting import cut
from gru2np.graph.flatten import build
from gru2np.graph.parts import refuse_unread
from gru2np.graph.prune import Owner, needed, owners_of
from gru2np.graph.ways import ways_around, with_inputs
from gru2np.layers.custom import Specs, custom_records
from gru2np.readers import open_model
from gru2np.weights.match import find
from gru2np.weights.of_part import find_part
from gru2np_runtime import __version__
from gru2np_runtime.bundle.manifest import FORMAT, MANIFEST_VERSION
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.files.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from gru2np.graph.flatten import Built
    from gru2np.graph.parts import Part
    from gru2np.ir import FilePath, KerasModel, RawModel, StoredTensor
    from gru2np.meaning import Meaning, Readings
    from gru2np_runtime.custom_objects import CustomObjects


# The most differences that an error shows of a model with several possible meanings.
MOST_LINES = 5


@dataclass(frozen=True)
class Conversion:
    """A converted model; its weights are matched but not yet read.

    Attributes:
        raw: the file, open.
        model: the model in one spelling, or the part of it that is converted.
        meaning: the behaviour of its Keras.
        built: its graph, pruned.
        tensors: the stored array of every weight, by path in the bundle.
        owners: the layers they belong to, by the same paths.
        specs: how its classes were converted.
        whole: the model in the file.
        part: the inputs and outputs of the part; None for the whole model.
        whole_refused: why the whole model is not converted, if a part is.
    """

    raw: RawModel
    model: KerasModel
    meaning: Meaning
    built: Built
    tensors: Mapping[str, StoredTensor]
    owners: Mapping[str, Owner]
    specs: Specs
    whole: KerasModel
    part: Part | None = None
    whole_refused: UnsupportedModelError | None = None

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """The weights as the bundle holds them; each is read on access."""
        return _Weights(self)

    def array(self, path: str) -> NDArray[Any]:
        """A weight as the bundle holds it: float16, int8, or the dtype of its layer."""
        array = self.tensors[path].read()
        dtype = self.owners[path].dtype
        small = array.dtype == np.float16 and dtype == "float32"
        if small or array.dtype == np.int8:
            return array
        return array.astype(dtype, copy=False)

    def manifest(self, weights: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The manifest; ``weights`` are the records of the weights by path."""
        by_layer: dict[str, dict[str, Any]] = {}
        for path, record in weights.items():
            layer = self.owners[path].path
            by_layer.setdefault(layer, {})[path[len(layer) + 1 :]] = record

        custom = dict(custom_records(self.built.graph))

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
            **({} if self.part is None else {"part": self.part.record()}),
        }


@contextmanager
def model_file(
    model: Any, saved_by: str | None
) -> Iterator[tuple[FilePath, str | None]]:
    """The file of a model, and the Keras that saved it.

    A path and ``saved_by`` are returned unchanged.  A ``keras.Model`` is saved to a
    temporary file, removed with the context.
    """
    if not (hasattr(model, "save") and hasattr(model, "get_config")):
        yield model, saved_by
        return
    with workspace() as folder:
        path = folder / "model.keras"
        model.save(path)
        yield path, saved_by or _running_keras(model)


def _running_keras(model: Any) -> str | None:
    """The version and backend of the Keras of a live model, as for ``saved_by``.

    Files of Keras 3 do not name the backend.
    """
    keras = sys.modules.get(type(model).__module__.partition(".")[0])
    version = str(getattr(keras, "__version__", ""))
    # ``saved_by`` has no pre-releases; the version in the file is refused later.
    if not re.fullmatch(r"3\.\d+\.\d+", version):
        return None
    return f"{version}-{sys.modules['keras'].backend.backend()}"


class _Weights(Mapping[str, Any]):
    """The weights of a conversion by path; each is read on access."""

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion

    def __getitem__(self, path: str) -> NDArray[Any]:
        return self._conversion.array(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._conversion.tensors)

    def __len__(self) -> int:
        return len(self._conversion.tensors)


@contextmanager
def convert(
    model: FilePath,
    weights: FilePath | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    part: Part | None = None,
) -> Iterator[Conversion]:
    """Convert a file, or a part of its model; it stays open until the context ends.

    Raises:
        ModelFileError: the file is damaged, hostile or no model, or ``saved_by``
            contradicts it.
        UnsupportedModelError: it cannot be converted faithfully.
        InputError: the model has no such part.
        ValueError: ``saved_by`` names no Keras.
    """
    with open_model(model, weights) as opened:
        raw = replace(opened, saved_by=saved_by)
        keras_model, readings = interpret(raw)
        yield converted(raw, keras_model, readings, Specs(custom_objects), part)


def converted(
    raw: RawModel,
    model: KerasModel,
    readings: Readings,
    specs: Specs | None = None,
    part: Part | None = None,
) -> Conversion:
    """The conversion of a model, given the possible meanings of its file.

    Raises:
        ModelFileError: its layers do not fit each other, or its weights do not fit its
            layers.
        UnsupportedModelError: something cannot be converted, or the releases that may
            have saved it give different numbers.
        InputError: the model has no such part.
    """
    specs = specs or Specs()
    whole, notes = model, list[str]()
    whole_refused = None
    if part is not None:
        model, notes = _cut(raw, whole, readings, specs, part)
    refuse_unread(model)
    try:
        built = _build(raw, model, readings, specs)
    except UnsupportedModelError as error:
        if part is not None or not error.problems:
            raise
        ways = ways_around(model, [problem.layer for problem in error.problems])
        told = with_inputs(error.problems, raw, model, readings.assumed, specs)
        raise UnsupportedModelError(told, ways, _unused(specs)) from None
    built.notes.extend([*raw.notes, *notes, *_unused(specs)])
    if part is None:
        tensors = find(model, built.weights, raw, specs)
    else:
        all_of_it = _attempt_whole(whole, readings.assumed, specs)
        expected = None
        if isinstance(all_of_it, UnsupportedModelError):
            whole_refused = all_of_it
        else:
            expected = all_of_it.weights
        tensors = find_part(whole, expected, model, built.weights, raw, specs)
    built.graph = needed(built.graph)
    owners = dict(owners_of(built.graph))
    tensors = {path: tensor for path, tensor in tensors.items() if path in owners}
    return Conversion(
        raw,
        model,
        readings.assumed,
        built,
        tensors,
        owners,
        specs,
        whole,
        part,
        whole_refused,
    )


def _cut(
    raw: RawModel, model: KerasModel, readings: Readings, specs: Specs, part: Part
) -> tuple[KerasModel, list[str]]:
    """A part of a model; refused if its inputs depend on which Keras saved the file."""
    made, notes = cut(model, raw, readings.assumed, specs, part)

    def differing(others: Iterable[Meaning]) -> str:
        """Which inputs the part has by the first of other Kerases that differs."""
        for other in others:
            try:
                theirs, _ = cut(model, raw, other, specs, part)
            except (InputError, UnsupportedModelError) as error:
                return f"as {other.writer} reads it, {error}"
            if _inputs(theirs) != _inputs(made):
                return (
                    f"as {readings.assumed_writer} reads it, the part takes "
                    f"{', '.join(_inputs(made))}; as {other.writer} reads it, "
                    f"{', '.join(_inputs(theirs))}"
                )
        return ""

    if text := differing((*readings.releases, *readings.weights)):
        raise UnsupportedModelError(
            f"{raw.file_name}: the file leaves open which Keras saved it, and the "
            f"masks of the part's inputs depend on that: {text}: state it with "
            "--saved-by (saved_by= in Python)"
        )
    if text := differing(readings.backends):
        notes.append(
            f"the file names no backend, so {readings.assumed_writer} is assumed; if "
            f"it was another, state it with --saved-by: {text}"
        )
    return made, notes


def _inputs(model: KerasModel) -> list[str]:
    return [ref.layer for ref in model.inputs]


def _build(raw: RawModel, model: KerasModel, readings: Readings, specs: Specs) -> Built:
    """The graph of a model; refused if releases that may have saved it differ.

    If only backends differ, the graph gets a warning.
    """
    built = _attempt(model, readings.assumed, specs)
    writer = readings.assumed_writer

    def differing(others: Iterable[Meaning]) -> tuple[str, str] | None:
        """The first other Keras whose graph differs, and how."""
        for other in others:
            lines = _differences(model, built, writer, other, specs)
            if lines:
                return other.writer, "".join(lines)
        return None

    if release := differing(readings.releases):
        raise UnsupportedModelError(
            f"{raw.file_name}: the file leaves open which Keras saved it, and the "
            f"numbers depend on that:{release[1]}\nState it with --saved-by "
            "(saved_by= in Python), or save the model as .keras, which states it"
        )
    if saver := differing(readings.weights):
        raise UnsupportedModelError(
            f"{raw.file_name}: the architecture is of {writer} and the weights were "
            f"saved by {saver[0]}, and the two give different numbers:{saver[1]}\n"
            "Give the architecture that model.to_json() writes in the Keras of the "
            "weights"
        )
    if isinstance(built, UnsupportedModelError):
        raise built
    if backend := differing(readings.backends):
        built.warnings.append(
            f"the file names no backend, so {writer} is assumed; if it was another, "
            f"state it with --saved-by:{backend[1]}"
        )
    return built


def _unused(specs: Specs) -> list[str]:
    """A note on the custom objects that the model has no use for."""
    names = ", ".join(map(repr, sorted(specs.names - specs.used)))
    return [f"custom_objects: nothing in the model is called {names}"] if names else []


def _attempt(
    model: KerasModel, meaning: Meaning, specs: Specs
) -> Built | UnsupportedModelError:
    try:
        return build(model, meaning, specs)
    except UnsupportedModelError as error:
        return error


def _attempt_whole(
    model: KerasModel, meaning: Meaning, specs: Specs
) -> Built | UnsupportedModelError:
    """The graph of the whole model that a part was cut out of, if it has one."""
    try:
        refuse_unread(model)
        return build(model, meaning, specs)
    except UnsupportedModelError as error:
        return error
    except ModelFileError as error:
        # Of layers that the part does not have.
        return UnsupportedModelError(str(error))


def _differences(
    model: KerasModel,
    built: Built | UnsupportedModelError,
    writer: str,
    other: Meaning,
    specs: Specs,
) -> list[str]:
    """How the graph differs under another meaning, a list item for each difference."""
    rebuilt = _attempt(model, other, specs)
    if isinstance(built, UnsupportedModelError):
        if isinstance(rebuilt, UnsupportedModelError):
            return []
        return [f"\n  - as {writer} reads it, {built}"]
    if isinstance(rebuilt, UnsupportedModelError):
        return [f"\n  - as {other.writer} reads it, {rebuilt}"]
    ours, theirs = (graph_record(x.graph, lambda path: {}) for x in (built, rebuilt))
    if ours == theirs:
        return []
    lines = list(graph_differences(ours, theirs, writer, other.writer))[:MOST_LINES]
    return [f"\n  - {line}" for line in lines or ["the order of its layers"]]
