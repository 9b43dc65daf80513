"""Load a bundle: from its bytes to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np_runtime._bundle import MANIFEST, read_array, read_members
from gru2np_runtime._errors import BundleError
from gru2np_runtime._manifest import Manifest, read_manifest
from gru2np_runtime._model import Model

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from gru2np_runtime._layer import Array, Layer

    Source = str | os.PathLike[str] | bytes | BinaryIO


def load(
    source: Source, *, custom_layers: Mapping[str, type[Layer]] | None = None
) -> Model:
    """Load a bundle.

    Args:
        source: a path, the bundle's bytes, or a binary file object.
        custom_layers: classes of your own that the bundle was exported with, by name.

    Raises:
        BundleError: it breaks a rule of the format, or is damaged.
        FileNotFoundError: there is no such file.
    """
    manifest, arrays = read_bundle(source, custom_layers)
    weights = {
        record.path: _widened(arrays[record.path]) for record in manifest.weights
    }
    return Model(
        manifest.graph,
        weights,
        name=manifest.name,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        titles=manifest.titles,
        source=manifest.source,
    )


def read_bundle(
    source: Source, custom_layers: Mapping[str, type[Layer]] | None = None
) -> tuple[Manifest, dict[str, Array]]:
    """The manifest and the arrays as stored, by path.

    Raises:
        BundleError: a rule of the format is broken.
    """
    if isinstance(source, (bytes, bytearray)):
        data = bytes(source)
    elif hasattr(source, "read"):
        data = source.read()
    else:
        # pathlib takes longer to import than the bundle to read.
        with open(source, "rb") as file:  # noqa: PTH123
            data = file.read()
    members = read_members(data)
    value = _parse(bytes(members.pop(MANIFEST)))
    manifest = read_manifest(value, custom_layers)
    arrays = {}
    for record in manifest.weights:
        name = f"{record.path}.npy"
        if name not in members:
            raise BundleError(f"member {name!r} is missing: the manifest names it")
        arrays[record.path] = read_array(
            members.pop(name), name, record.dtype, record.shape
        )
    if members:
        raise BundleError(f"member {next(iter(members))!r} is not in the manifest")
    return manifest, arrays


def _parse(text: bytes) -> Any:
    import json

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise BundleError("manifest: a key stands twice in one object")
        return record

    def refuse(constant: str) -> Any:
        raise BundleError(f"manifest: {constant} is no JSON; it stands as a string")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{MANIFEST} is not JSON: {error}") from None


def _widened(array: Array) -> Array:
    # float16 is for storing; NumPy computes in it slowly and badly.
    return array.astype(np.float32) if array.dtype == np.float16 else array
