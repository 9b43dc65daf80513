"""Open a bundle: read and check its bytes, make the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np_runtime.bundle.container import MANIFEST, read_array, read_members
from gru2np_runtime.bundle.manifest import Manifest, read_manifest
from gru2np_runtime.errors import BundleError
from gru2np_runtime.model import Model
from gru2np_runtime.plan import Small, Weights

if TYPE_CHECKING:
    import os

    from gru2np_runtime.custom_objects import CustomObjects
    from gru2np_runtime.layer import Array

    Source = str | os.PathLike[str] | bytes | BinaryIO


class Opened:
    """An opened bundle.

    Attributes:
        manifest: read and checked.
        stored: every array as stored, by member name without ``.npy``; read-only views.
    """

    __slots__ = ("manifest", "stored")

    def __init__(self, manifest: Manifest, stored: dict[str, Array]) -> None:
        self.manifest = manifest
        self.stored = stored

    def weights(self) -> dict[str, Array]:
        """The weights by path; int8 is converted to float32."""
        weights = self.manifest.weights
        return {weight.path: weight.value(self.stored) for weight in weights}

    def small(self) -> dict[str, Small]:
        """The weights by path that a kernel can use as they are stored."""
        small = {}
        for weight in self.manifest.weights:
            array = self.stored[weight.name]
            if weight.dtype == "float16":
                small[weight.path] = Small(array)
            elif weight.scale is not None and weight.axis == array.ndim - 1:
                small[weight.path] = Small(array, self.stored[weight.scale.name])
        return small

    def model(self) -> Model:
        """The model, with its plans; float16 is converted to float32."""
        manifest = self.manifest
        weights = {path: _widened(array) for path, array in self.weights().items()}
        small = self.small()
        return Model(
            manifest.graph,
            Weights(weights, small) if small else weights,
            name=manifest.name,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            titles=manifest.titles,
            source=manifest.source,
            storage=manifest.storage,
        )


def open_bundle(
    source: Source,
    custom_objects: CustomObjects | None = None,
    *,
    mapped: bool = False,
) -> Opened:
    """Read a bundle and check it against every rule of the format.

    Raises:
        BundleError: a rule is broken.
    """
    data: Any = _map(source) if mapped else None
    if data is None:
        data = _read(source)
    try:
        members = read_members(data)
    except BundleError:
        from gru2np_runtime.bundle.kinds import no_bundle

        text = no_bundle(source, data)
        if text is None:
            raise
        raise BundleError(text) from None
    if hasattr(data, "madvise"):
        # The checksums read every page; release them, pages in use are read again.
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
    source: Source, custom_objects: CustomObjects | None = None
) -> tuple[Manifest, dict[str, Array]]:
    """The manifest, and the weights by path: float16 as stored, int8 as float32.

    Raises:
        BundleError: a rule of the format is broken.
    """
    opened = open_bundle(source, custom_objects)
    return opened.manifest, opened.weights()


def _read(source: Source) -> bytes:
    """All bytes of a bundle."""
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
    with _open(source) as file:
        return file.read()


def _open(path: object) -> BinaryIO:
    """A file, open for bytes.

    Raises:
        BundleError: the path is none, or that of a folder.
        OSError: there is no such file, or it cannot be read.
    """
    if not isinstance(path, str) and not hasattr(path, "__fspath__"):
        raise BundleError(
            "expected a path, bytes or a file open for bytes, got "
            f"{type(path).__name__}: load('model.npz')"
        )
    try:
        # Importing pathlib takes longer than reading a bundle.
        return open(path, "rb")  # noqa: PTH123
    except (IsADirectoryError, PermissionError):
        from gru2np_runtime.bundle.kinds import no_bundle_at

        text = no_bundle_at(path)
        if text is None:
            raise
        raise BundleError(text) from None
    except ValueError as error:  # a zero byte in the path
        raise BundleError(f"{path!r}: {error}") from None


def _map(source: Source) -> Any:
    """A file mapped read-only; None if the source is no path or cannot be mapped."""
    if isinstance(source, (bytes, bytearray)) or hasattr(source, "read"):
        return None
    import mmap

    with _open(source) as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return None


def _parse(text: bytes) -> Any:
    """The value of the manifest's JSON, which is stricter than Python's.

    Raises:
        BundleError: it is not UTF-8 or not JSON, is nested too deep, or holds a key
            twice, NaN, an infinity or half of a surrogate pair.
    """
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_unique, parse_constant=_refuse
        )
        if b"\\u" in text:  # an escape can spell half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except BundleError:
        raise
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is not JSON: {error}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values; a key that stands twice is refused."""
    record = dict(pairs)
    if len(record) != len(pairs):
        raise BundleError("manifest: a key stands twice in one object")
    return record


def _refuse(constant: str) -> Any:
    """Python's parser takes NaN and Infinity, which are not JSON."""
    raise BundleError(f"manifest: {constant} is no JSON; it stands as a string")


def _widened(array: Array) -> Array:
    """Float16 as float32: NumPy's float16 arithmetic is slow and imprecise."""
    if array.dtype != np.float16:
        return array
    wide: Array = array.astype(np.float32)
    wide.flags.writeable = False
    return wide
