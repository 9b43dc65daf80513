"""Open a bundle: from its bytes to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np_runtime.bundle.container import MANIFEST, read_array, read_members
from gru2np_runtime.bundle.json_text import parse
from gru2np_runtime.bundle.manifest import Manifest, read_manifest
from gru2np_runtime.errors import BundleError
from gru2np_runtime.model import Model

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer

    Source = str | os.PathLike[str] | bytes | BinaryIO


class Opened:
    """A bundle opened: its manifest, and its arrays where they lie.

    Attributes:
        manifest: checked.
        stored: every array as it is stored, by the name of its member.
    """

    __slots__ = ("manifest", "stored")

    def __init__(self, manifest: Manifest, stored: dict[str, Array]) -> None:
        self.manifest = manifest
        self.stored = stored

    def weights(self) -> dict[str, Array]:
        """The weights by path; those of int8 as the float32 numbers they stand for."""
        return {own.path: own.value(self.stored) for own in self.manifest.weights}

    def model(self) -> Model:
        """The model, its plans made."""
        manifest = self.manifest
        return Model(
            manifest.graph,
            {path: _widened(array) for path, array in self.weights().items()},
            name=manifest.name,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            titles=manifest.titles,
            source=manifest.source,
            storage=manifest.storage,
        )


def open_bundle(
    source: Source,
    custom_objects: Mapping[str, type[Layer]] | None = None,
    *,
    mapped: bool = False,
) -> Opened:
    """Read a bundle and check it against every rule of the format.

    Raises:
        BundleError: a rule is broken.
    """
    data: Any = _map(source) if mapped else None
    members = read_members(_read(source) if data is None else data)
    if hasattr(data, "madvise"):
        # The checksums have touched every page: those that are used come back.
        import mmap

        data.madvise(mmap.MADV_DONTNEED)
    value = _parse(bytes(members.pop(MANIFEST)))
    manifest = read_manifest(value, custom_objects)
    stored = {}
    for record in manifest.members():
        name = f"{record.name}.npy"
        if name not in members:
            raise BundleError(f"member {name!r} is missing: the manifest names it")
        stored[record.name] = read_array(
            members.pop(name), name, record.dtype, record.shape
        )
    if members:
        raise BundleError(f"member {next(iter(members))!r} is not in the manifest")
    return Opened(manifest, stored)


def read_bundle(
    source: Source, custom_objects: Mapping[str, type[Layer]] | None = None
) -> tuple[Manifest, dict[str, Array]]:
    """The manifest, and the weights by path: float16 as stored, int8 as float32.

    Raises:
        BundleError: a rule of the format is broken.
    """
    opened = open_bundle(source, custom_objects)
    return opened.manifest, opened.weights()


def _read(source: Source) -> bytes:
    """The bytes of a bundle."""
    if isinstance(source, (bytes, bytearray)):
        return bytes(source)
    if hasattr(source, "read"):
        data = source.read()
        if isinstance(data, (bytes, bytearray)):
            return bytes(data)
        raise BundleError(
            "expected a path, bytes or a file open for bytes; "
            f"reading it gave {type(data).__name__}"
        )
    # pathlib takes longer to import than the bundle to read.
    with open(source, "rb") as file:  # noqa: PTH123
        return file.read()


def _map(source: Source) -> Any:
    """A file mapped read-only; None for what is no path, or what cannot be mapped."""
    if isinstance(source, (bytes, bytearray)) or hasattr(source, "read"):
        return None
    import mmap

    with open(source, "rb") as file:  # noqa: PTH123
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return None


def _parse(text: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise BundleError("manifest: a key stands twice in one object")
        return record

    def refuse(constant: str) -> Any:
        raise BundleError(f"manifest: {constant} is no JSON; it stands as a string")

    try:
        return parse(text, pairs=unique, constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{MANIFEST} is not JSON: {error}") from None


def _widened(array: Array) -> Array:
    """Float16 is for storing; NumPy computes in it slowly and badly."""
    if array.dtype != np.float16:
        return array
    wide: Array = array.astype(np.float32)
    wide.flags.writeable = False
    return wide
