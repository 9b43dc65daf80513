"""Write a bundle: one weight after the other, as it is or small, then the manifest."""

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


# Numbers that are looked at together.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Recorded:
    """What was put into a bundle; ``print`` it.

    Attributes:
        bundle: name of the file.
        cases: how many cases.
        numbers: how many numbers the outputs hold.
        size: bytes that the bundle grew by the arrays.
        reference: what gave the outputs.
        largest: the largest difference, and what a replay may differ by there.
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
    """What an export wrote.

    Attributes:
        layers: how many layers, those of nested models included.
        parameters: how many numbers the weights hold.
        keras_version: as written in the model file, or None.
        meaning: what was chosen where generations of Keras differ, in sentences.
        not_finite: weights that hold NaN or infinity, by path in the bundle.
        half_precision: policies of half precision whose layers run in float32.
        notes: where the file leaves a number open.
        storage: what small storage costs, as the manifest says it; None without.
        stored_small: how many weights are stored so, and how many there are.
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
    """Write a bundle; where weights are small, nothing says yet what that costs.

    Args:
        conversion: of the model.
        file: takes the bundle.
        kind: ``float16`` or ``int8`` where weights are to be small.

    Raises:
        UnsupportedModelError: weights are to be small, and the model is of float64.
    """
    if kind is not None:
        storage.check_small([own.dtype for own in conversion.owners.values()], kind)
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
    """Write one weight; gives its record, and whether all its numbers are finite.

    A function of its own lets go of one weight before the next is read, so that the
    largest decides how much memory an export takes.
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
    """Write the bytes of a weight, all finite, and their scales; gives its record."""
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
    """A bundle with other keys in its manifest, and other arrays of a proof.

    Args:
        data: a bundle without faults.
        manifest: keys to put in place of what is there.
        arrays: those of the proof, by the names of their members; as they are if not
            given.
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
