"""Write a bundle: one weight after the other, unchanged or small, then the manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np import storage
from gru2np.inspection import choices
from gru2np.text import plural, size_text
from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    encode_manifest,
    read_members,
)
from gru2np_runtime.bundle.members import SCALE
from gru2np_runtime.proof.replay import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.convert import Conversion
    from gru2np.ir import Array
    from gru2np.storage import Stored


# Elements checked for NaN and infinity at once.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Recorded:
    """The proof that was recorded in a bundle; ``print`` it.

    Attributes:
        bundle: name of the file.
        cases: number of cases.
        numbers: number of elements of all outputs.
        size: bytes that the arrays add to the bundle.
        reference: what computed the expected outputs.
        largest: the largest difference, and the tolerance of a replay at that element.
    """

    bundle: str
    cases: int
    numbers: int
    size: int
    reference: str
    largest: tuple[float, float]

    def __str__(self) -> str:
        far, allowed = map(short, self.largest)
        return (
            f"recorded in {self.bundle}: {plural(self.cases, 'case')}, "
            f"{plural(self.numbers, 'number')} of {self.reference}, largest "
            f"difference {far} (in a replay {allowed} allowed), {size_text(self.size)}"
        )


@dataclass(frozen=True)
class Exported:
    """The facts of a written bundle.

    Attributes:
        layers: number of layers, those of nested models included.
        parameters: number of elements of all weights.
        keras_version: as written in the model file, or None.
        meaning: the choices made where Keras releases differ, in sentences.
        not_finite: weights that hold NaN or infinity, by path in the bundle.
        half_precision: half precision policies whose layers run in float32.
        notes: where the file leaves open what the model computes.
        storage: the measured cost of small storage, as in the manifest, or None.
        stored_small: number of weights that are stored small, and of all.
    """

    layers: int
    parameters: int
    keras_version: str | None
    meaning: tuple[str, ...]
    not_finite: tuple[str, ...]
    half_precision: tuple[str, ...]
    notes: tuple[str, ...]
    storage: Mapping[str, Any] | None = None
    stored_small: tuple[int, int] = (0, 0)


def write(conversion: Conversion, file: BinaryIO, kind: str | None = None) -> Exported:
    """Write a bundle.  With ``kind``, its manifest has no measured costs yet.

    Args:
        conversion: of the model.
        file: the file to write to.
        kind: ``float16`` or ``int8`` for small weights.

    Raises:
        InputError: there is no such kind.
        UnsupportedModelError: weights are to be small, and the model computes in
            float64.
    """
    if kind is not None:
        storage.check_small([owner.dtype for owner in conversion.owners.values()], kind)
    writer, not_finite, small = Writer(file), [], 0
    records = {}
    for path in conversion.tensors:
        records[path], finite = _write_weight(writer, conversion, path, kind)
        not_finite += [] if finite else [path]
        small += "storage" in records[path]
    manifest = conversion.manifest(records)
    if small:
        names = conversion.built.outputs.names
        manifest["storage"] = storage.unknown(str(kind), names)
    writer.add(MANIFEST, encode_manifest(manifest))
    writer.close()
    return Exported(
        layers=sum("#" not in path for path in conversion.built.graph.layers),
        parameters=sum(prod(tensor.shape) for tensor in conversion.tensors.values()),
        keras_version=conversion.raw.keras_version,
        meaning=choices.of_conversion(conversion),
        not_finite=tuple(not_finite),
        half_precision=tuple(sorted(choices.half_precision(conversion.model))),
        notes=(*conversion.built.notes, *conversion.built.warnings),
        stored_small=(small, len(records)),
    )


def in_memory(
    conversion: Conversion, kind: str | None = None
) -> tuple[bytes, Exported]:
    """A bundle as bytes, and what was written; see ``write``."""
    memory = BytesIO()
    exported = write(conversion, memory, kind)
    return memory.getvalue(), exported


def _write_weight(
    writer: Writer, conversion: Conversion, path: str, kind: str | None
) -> tuple[dict[str, Any], bool]:
    """Write one weight: its record, and whether all its elements are finite.

    A function frees its array before the next is read, so that the largest weight
    decides the peak memory of an export.
    """
    array = conversion.array(path)
    changed = False
    if kind is not None:
        owner = conversion.owners[path]
        name = path[len(owner.path) + 1 :]
        small = storage.stored(array, name, owner.op, kind)
        changed = small.array.dtype != array.dtype
        if small.scales is not None:
            del array
            return _write_scaled(writer, path, small), True
        array = small.array
    dtype, shape = array.dtype, array.shape
    data = writer.add_array(path, array)
    del array
    numbers = np.frombuffer(data, dtype.newbyteorder("<"))
    finite = all(
        np.isfinite(numbers[start : start + BLOCK]).all()
        for start in range(0, numbers.size, BLOCK)
    )
    record = _record(dtype.name, shape, data)
    if changed:
        record["storage"] = {"dtype": dtype.name}
    return record, finite


def _write_scaled(writer: Writer, path: str, small: Stored) -> dict[str, Any]:
    """Write a weight of int8 and its scales; returns its record."""
    data = writer.add_array(path, small.array)
    record = _record(small.array.dtype.name, small.array.shape, data)
    assert small.scales is not None
    data = writer.add_array(f"{path}{SCALE}", small.scales)
    record["storage"] = {
        "dtype": record["dtype"],
        "axis": small.axis,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return record


def _record(dtype: str, shape: tuple[int, ...], data: memoryview) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"dtype": dtype, "shape": list(shape), "sha256": digest}


def rewritten(
    data: bytes,
    manifest: Mapping[str, Any],
    arrays: Mapping[str, Array] | None = None,
) -> bytes:
    """A bundle with changed keys in its manifest, and other arrays of a proof.

    Args:
        data: a valid bundle.
        manifest: keys to replace.
        arrays: the new arrays of the proof, by member name; None keeps them.
    """
    members = read_members(data)
    changed = {**json.loads(bytes(members.pop(MANIFEST))), **manifest}
    memory = BytesIO()
    writer = Writer(memory)
    for name, member in members.items():
        if arrays is None or not name.startswith("proof#"):
            writer.add(name, member)
    for name, array in (arrays or {}).items():
        writer.add_array(name, array)
    writer.add(MANIFEST, encode_manifest(changed))
    writer.close()
    return memory.getvalue()
