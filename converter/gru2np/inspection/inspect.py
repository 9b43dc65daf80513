"""Inspect: the contents and the meaning of a model file or a bundle."""

from __future__ import annotations

import glob
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.convert import converted
from gru2np.errors import (
    InputError,
    ModelFileError,
    Problem,
    UnsupportedModelError,
    check_path,
    naming,
)
from gru2np.generations import interpret
from gru2np.graph.parts import part_of
from gru2np.graph.ways import ways_around
from gru2np.inspection import choices, partial
from gru2np.inspection.facts import LayerFacts, Tensor, layers_of
from gru2np.inspection.gates import Gates, gates_of
from gru2np.inspection.weights import owner_facts, ways_on
from gru2np.layers.custom import Specs
from gru2np.readers import open_model, weights_file
from gru2np_runtime.bundle.container import MANIFEST
from gru2np_runtime.bundle.manifest_writer import json_value
from gru2np_runtime.bundle.opening import read_bundle

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.convert import Conversion
    from gru2np.graph.parts import Part
    from gru2np.inspection.facts import OwnerFacts
    from gru2np.ir import KerasModel, RawModel
    from gru2np.readers.weights_file import StoredWeights
    from gru2np_runtime.bundle.manifest import Manifest
    from gru2np_runtime.graph import Graph

    FilePath = str | os.PathLike[str]
    from gru2np_runtime.custom_objects import CustomObjects

    Titles = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Report:
    """The contents of a file; ``print`` it, or use ``as_dict()``.

    Attributes:
        file: its path.
        kind: ``model``, ``bundle``, or ``weights`` without an architecture.
        size: its size in bytes, without a file of ``weights``.
        source: ``file_name``, ``sha256``, ``container``, ``keras_version`` and
            ``backend`` of the model file; for a bundle, of the file it was exported
            from.
        written_by: the Keras that saved the model.
        name: of the model.
        inputs: name, shape and dtype of each input.
        outputs: the same of each output.
        input_structure: ``one``, ``list`` or ``dict``.
        output_structure: the same for the outputs.
        parameters: the number of parameters.
        layers: in the order they run.
        gates: the weights of every GRU, LSTM and SimpleRNN, explained.
        meaning: the choices made where generations of Keras differ, as sentences.
        storage: how a bundle is stored small, and the cost: ``dtype``, ``weights``
            (how many are small), ``inputs`` (what it was measured on) and ``outputs``,
            each with ``largest_difference``, ``relative`` and ``root_mean_square``;
            ``saturated``, the same for saturated gates.  None if stored in full.
        proof: of the bundle: ``reference``, ``runtime``, ``seed`` and the ``cases``,
            each with ``name`` and ``description``.  None if there is none.
        owners: of weights without an architecture, the layers or objects that own them.
        ways_on: of such weights, how to come to a bundle; of a model that cannot be
            converted, the parts of it that perhaps can.
        convertible: whether ``export`` converts it.
        problems: the parts that cannot be converted.
        refusal: the error message of ``export``, or None.
        part: the ``inputs`` and ``outputs`` as ``export`` takes them, if only a part of
            the model is described; None for the whole.
    """

    file: str
    kind: str
    size: int
    source: Mapping[str, Any] = field(default_factory=dict)
    written_by: str | None = None
    name: str | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    input_structure: str | None = None
    output_structure: str | None = None
    parameters: int | None = None
    layers: tuple[LayerFacts, ...] = ()
    gates: tuple[Gates, ...] = ()
    meaning: tuple[str, ...] = ()
    storage: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None
    owners: tuple[OwnerFacts, ...] = ()
    ways_on: tuple[str, ...] = ()
    convertible: bool = True
    problems: tuple[Problem, ...] = ()
    refusal: str | None = None
    part: Mapping[str, Sequence[str]] | None = None

    def __str__(self) -> str:
        from gru2np.inspection.render import render

        return "\n".join(render(self))

    def as_dict(self) -> dict[str, Any]:
        """The report as ``inspect --json`` prints it, with the attributes as keys.

        ``docs/output.schema.json`` describes every key.
        """
        record: dict[str, Any] = json_value(asdict(self))
        return {"schema": "gru2np/inspect/1", **record}


def inspect(
    path: FilePath,
    weights: FilePath | None = None,
    *,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    outputs: str | Sequence[str] | None = None,
    inputs: str | Sequence[str] | None = None,
) -> Report:
    """Describe a model file or a bundle, recognised by its content.

    For a model that cannot be converted, the report has what its file states, and the
    reasons.

    Args:
        path: a model file, an architecture, or a bundle.
        weights: the weights of an architecture.
        custom_objects: custom classes, as for ``export``.
        saved_by: the Keras that saved the file, if the file does not say: see
            ``export``.
        outputs: describe a part of the model, with these outputs: see ``export``.
        inputs: the same with these inputs.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
        InputError: the model has no such part.
        ValueError: ``saved_by`` names no Keras.
    """
    with inspecting(
        path,
        weights,
        custom_objects=custom_objects,
        saved_by=saved_by,
        part=part_of(outputs, inputs),
    ) as (report, _):
        return report


@dataclass(frozen=True)
class Opened:
    """The graph of a model, with access to its weights.

    Attributes:
        graph: the runtime's graph.
        titles: Keras name and class by layer path.
        paths: of the weights.
        read: reads a weight by its path.
    """

    graph: Graph
    titles: Titles
    paths: frozenset[str]
    read: Callable[[str], NDArray[Any]]


@contextmanager
def inspecting(
    path: FilePath,
    weights: FilePath | None = None,
    *,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    part: Part | None = None,
) -> Iterator[tuple[Report, Opened | None]]:
    """The report of ``inspect``, and the open model; None if it cannot be converted."""
    check_path(path, "path", "inspect('model.h5')")
    if weights is not None:
        check_path(weights, "weights", "inspect('model.json', 'weights.h5')")
    file = Path(path)
    if weights is None and is_bundle(file):
        if part is not None:
            raise InputError(
                f"{file.name}: a bundle has no parts: give the model that it was "
                "exported from"
            )
        yield _of_bundle(file, size_of(file), custom_objects)
        return
    with ExitStack() as stack:
        stored = weights_file.find(path, stack) if weights is None else None
        if stored is not None:
            yield _of_weights(str(path), stored), None
            return
        try:
            raw = replace(
                stack.enter_context(open_model(path, weights)), saved_by=saved_by
            )
            result = of_model(raw, str(path), size_of(file), custom_objects, part)
        except UnsupportedModelError as error:
            # Its contents were not read.
            result = Report(str(path), "model", size_of(file), **_refused(error)), None
        yield result


def _of_weights(file: str, stored: StoredWeights) -> Report:
    owners = owner_facts(stored)
    return Report(
        file=file,
        kind="weights",
        size=size_of(Path(file)),
        source={"container": stored.container, "keras_version": stored.keras_version},
        parameters=sum(owner.parameters for owner in owners),
        owners=owners,
        ways_on=ways_on(file),
        convertible=False,
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a directory or of a checkpoint."""
    if path.exists():
        parts = [path] if path.is_file() else path.rglob("*")
    else:
        parts = path.parent.glob(f"{glob.escape(path.name)}.*")
    return sum(part.stat().st_size for part in parts if part.is_file())


def is_bundle(path: Path) -> bool:
    """Whether a file is an ``.npz``, by its first member: a ``.keras`` is a zip too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(512)
    name = start[30 : 30 + int.from_bytes(start[26:28], "little")]
    # np.savez(path, *arrays) begins with this one, a bundle with none of that name.
    arrays = name.endswith(b".npy") and name != b"arr_0.npy"
    arrays = arrays or name == b"manifest.json"
    return start.startswith(b"PK\x03\x04") and arrays


def _of_bundle(
    path: Path, size: int, custom_objects: CustomObjects | None
) -> tuple[Report, Opened]:
    data = path.read_bytes()
    if MANIFEST.encode() not in data[-200:]:
        raise ModelFileError(
            f"{path.name}: expected a Keras model or a bundle, got an .npz of plain "
            "arrays, or a bundle cut short; arrays of a single layer run with "
            "gru2np_runtime.layers, as in GRU(units=...).bind(kernel=..., ...); those "
            "of a whole model are saved with np.savez(path, *model.get_weights()) and "
            "given with --weights"
        )
    with naming(path):
        manifest, arrays = read_bundle(data, custom_objects)

    def read(weight: str) -> NDArray[Any]:
        array = arrays[weight]
        # The runtime widens stored float16 when it loads.
        return array.astype(np.float32) if array.dtype == np.float16 else array

    source = manifest.source
    version = source.get("keras_version")
    stored = {record.path: record.shape for record in manifest.weights}
    ports = manifest.graph.inputs
    # In Keras' order; a manifest has none.
    expected = manifest.graph.weight_shapes(*(port.shape for port in ports))
    shapes = {path: stored[path] for path in expected}
    opened = Opened(manifest.graph, manifest.titles, frozenset(arrays), read)
    report = Report(
        str(path),
        "bundle",
        size,
        source=source,
        written_by=None if version is None else f"Keras {version}",
        name=manifest.name,
        input_structure=manifest.inputs.kind,
        output_structure=manifest.outputs.kind,
        meaning=choices.sentences(manifest.graph),
        storage=_storage(manifest),
        proof=_proof(manifest),
        part=manifest.part,
        **_of_graph(opened, shapes, (manifest.inputs.names, manifest.outputs.names)),
    )
    return report, opened


def _storage(manifest: Manifest) -> dict[str, Any] | None:
    if manifest.storage is None:
        return None
    small = sum(weight.small for weight in manifest.weights)
    return {**manifest.storage, "weights": small}


def _proof(manifest: Manifest) -> dict[str, Any] | None:
    proof = manifest.proof
    if proof is None:
        return None
    return {
        "reference": proof.reference,
        "runtime": proof.runtime,
        "seed": proof.seed,
        "cases": [
            {"name": case.name, "description": case.description} for case in proof.cases
        ],
    }


def of_model(
    raw: RawModel,
    file: str,
    size: int,
    custom_objects: CustomObjects | None,
    part: Part | None = None,
) -> tuple[Report, Opened | None]:
    """The report of an open model file, and the model; None if not convertible.

    Args:
        raw: the file.
        file: its path.
        size: its bytes.
        custom_objects: custom classes by name.
        part: the part to describe; None for the whole model.

    Raises:
        ModelFileError: the file is damaged.
        InputError: the model has no such part.
    """
    model, written_by = None, raw.keras_version and f"Keras {raw.keras_version}"
    try:
        model, readings = interpret(raw)
        written_by = readings.assumed.writer
        conversion = converted(raw, model, readings, Specs(custom_objects), part)
    except UnsupportedModelError as error:
        report = Report(
            file,
            "model",
            size,
            source=raw.source(),
            written_by=written_by,
            name=None if model is None else model.name,
            inputs=() if model is None else tuple(partial.inputs(model)),
            parameters=partial.parameters(raw),
            layers=partial.layers(raw, model),
            ways_on=() if model is None else tuple(_ways(model, error)),
            **_refused(error),
        )
        return report, None
    return of_conversion(conversion, file, size)


def _ways(model: KerasModel, error: UnsupportedModelError) -> Iterator[str]:
    """The parts of a model that can be converted without the refused layers."""
    if error.problems:
        yield from ways_around(model, [problem.layer for problem in error.problems])


def of_conversion(
    conversion: Conversion, file: str, size: int
) -> tuple[Report, Opened]:
    """The report of a converted model, and the model.

    Args:
        conversion: of the model.
        file: its path.
        size: its bytes.
    """
    built = conversion.built
    shapes = {path: tensor.shape for path, tensor in conversion.tensors.items()}
    opened = Opened(built.graph, built.titles, frozenset(shapes), conversion.array)
    report = Report(
        file,
        "model",
        size,
        source=conversion.raw.source(),
        written_by=conversion.meaning.writer,
        name=conversion.model.name,
        input_structure=built.inputs.kind,
        output_structure=built.outputs.kind,
        part=None if conversion.part is None else conversion.part.record(),
        meaning=(
            *choices.of_conversion(conversion),
            *built.notes,
            *built.warnings,
        ),
        **_of_graph(opened, shapes, (built.inputs.names, built.outputs.names)),
    )
    return report, opened


def _refused(error: UnsupportedModelError) -> dict[str, Any]:
    return {"convertible": False, "problems": error.problems, "refusal": str(error)}


def _of_graph(
    opened: Opened,
    shapes: Mapping[str, tuple[int, ...]],
    names: tuple[Sequence[str], Sequence[str]],
) -> dict[str, Any]:
    tensors = [
        tuple(
            Tensor(name, port.shape, port.dtype)
            for name, port in zip(labels, ports, strict=True)
        )
        for labels, ports in zip(
            names, (opened.graph.inputs, opened.graph.outputs), strict=True
        )
    ]
    gates = [
        gate
        for path, layer in opened.graph.layers.items()
        for gate in gates_of(path, layer, shapes, opened.read)
    ]
    return {
        "inputs": tensors[0],
        "outputs": tensors[1],
        "parameters": sum(prod(shape) for shape in shapes.values()),
        "layers": tuple(layers_of(opened.graph, opened.titles, shapes)),
        "gates": tuple(gates),
    }
