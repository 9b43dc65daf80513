"""A layers-model of TensorFlow.js: an architecture of Keras, and files of weights.

model.json    modelTopology: the model_config of an ``.h5``, with its versions
              weightsManifest: groups of weights, each with the files that hold them
*.bin         the bytes of a group's weights, one after the other, in shards

``tensorflowjs_converter`` writes it.  Weights may be quantized (converter 3.21,
``quantization.py``): a float32 is then ``scale * q + min``, computed in float64.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gru2np.errors import UnsupportedModelError
from gru2np.ir import FlatStore, RawModel, StoredTensor
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.folder import SafeFolder, bare_name
from gru2np.readers.safe.json_text import checked
from gru2np.readers.safe.window import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Source

MODEL = "model.json"
TOPOLOGY, MANIFEST = "modelTopology", "weightsManifest"
MOST_WEIGHTS = 50_000
MOST_SHARDS = 10_000
_DTYPES = ("float32", "int32", "bool")
_QUANTIZED = ("uint8", "uint16", "float16")


class _Bytes(NamedTuple):
    """The bytes of a weight: in all files of its group joined, at an offset."""

    windows: tuple[Window, ...]
    offset: int
    size: int

    def read(self) -> bytes:
        """Read them."""
        data, offset = b"", self.offset
        for window in self.windows:
            if offset < window.size:
                data += window.at(max(offset, 0), self.size - len(data))
            offset -= window.size
        return data


def read(source: Source, text: Mapping[str, Any], stack: ExitStack) -> RawModel:
    """A whole model.

    Args:
        source: ``model.json``.
        text: the object in it.
        stack: closes the files.
    """
    topology = text[TOPOLOGY]
    if not isinstance(topology, dict) or text.get("format") == "graph-model":
        raise UnsupportedModelError(
            f"{source.name}: a graph-model of TensorFlow.js, which has operations "
            "instead of layers; convert the original Keras model, saved with "
            'model.save("model.keras")'
        )
    version, backend = topology.get("keras_version"), topology.get("backend")
    if not isinstance(version, str) or version.startswith("tfjs"):
        raise UnsupportedModelError(
            f"{source.name}: built in TensorFlow.js ({shown(version)}), whose layers "
            "were never compared with those of Keras; rebuild the model in Keras, set "
            'its weights, and save it with model.save("model.keras")'
        )
    config = topology.get("model_config", topology)
    folder = SafeFolder(source.folder, "")
    weights = tuple(_weights(source.name, text.get(MANIFEST), folder, stack))
    where = f"{source.name} at $.{TOPOLOGY}.model_config"
    if not isinstance(config, dict):
        raise broken(where, "an architecture", shown(config))
    return RawModel(
        config=checked({**config}, where),
        flat=FlatStore(weights, named=True),
        keras_version=version,
        backend=backend if isinstance(backend, str) else None,
        container="tfjs",
        file_name=source.name,
        sha256=sha256(source.window, *folder.windows()),
    )


def _weights(
    name: str, manifest: Any, folder: SafeFolder, stack: ExitStack
) -> Iterator[StoredTensor]:
    count = 0
    for number, group in enumerate(manifest if isinstance(manifest, list) else [None]):
        where = f"{name} at $.{MANIFEST}[{number}]"
        paths = group.get("paths") if isinstance(group, dict) else None
        specs = group.get("weights") if isinstance(group, dict) else None
        if not isinstance(paths, list) or not isinstance(specs, list):
            raise broken(where, "a group with paths and weights", shown(group))
        count += len(specs)
        if count > MOST_WEIGHTS or len(paths) > MOST_SHARDS:
            expected = f"at most {MOST_WEIGHTS} weights in {MOST_SHARDS} files"
            raise broken(where, expected, "more")
        windows = tuple(folder.window(bare_name(path, where), stack) for path in paths)
        offset = 0
        for index, spec in enumerate(specs):
            tensor, size = _weight(spec, f"{where}.weights[{index}]", windows, offset)
            offset += size
            yield tensor
        present = sum(window.size for window in windows)
        if offset != present:
            advice = "keep the files that the converter wrote together"
            raise broken(where, f"{offset} bytes in its files", str(present), advice)


def _weight(
    spec: Any, where: str, windows: tuple[Window, ...], offset: int
) -> tuple[StoredTensor, int]:
    """A weight, checked but not read, and its size in bytes."""
    if not isinstance(spec, dict):
        raise broken(where, "a weight with name, shape and dtype", shown(spec))
    name, shape, dtype = spec.get("name"), spec.get("shape"), spec.get("dtype")
    if not isinstance(name, str):
        raise broken(where, "the name of a weight", shown(name))
    if not isinstance(shape, list) or not all(
        type(size) is int and 0 <= size < 1 << 40 for size in shape
    ):
        raise broken(f"{where} {shown(name)}", "a shape", shown(shape))
    if dtype not in _DTYPES:
        raise broken(f"{where} {shown(name)}", " or ".join(_DTYPES), shown(dtype))
    quantized = spec.get("quantization")
    stored, scale, least = _quantization(quantized, f"{where} {shown(name)}", dtype)
    data = _Bytes(windows, offset, prod(shape) * np.dtype(stored).itemsize)

    def array() -> np.ndarray[Any, Any]:
        little = np.dtype(stored).newbyteorder("<")
        numbers = np.frombuffer(data.read(), little).reshape(shape)
        if scale is not None:
            numbers = numbers * scale + least
        return numbers.astype(dtype, copy=False)

    form = "" if quantized is None else f"quantized as {stored}"
    return StoredTensor(name, tuple(shape), dtype, array, form), data.size


def _quantization(
    record: Any, where: str, dtype: str
) -> tuple[str, float | None, float]:
    """The stored dtype, the scale or None, and the value of a stored zero."""
    if record is None:
        return dtype, None, 0.0
    stored = record.get("dtype") if isinstance(record, dict) else None
    if stored not in _QUANTIZED or dtype != "float32":
        expected = f"float32 quantized as {', '.join(_QUANTIZED)}"
        raise broken(where, expected, shown(record))
    if stored == "float16":
        return stored, None, 0.0
    numbers = [record.get(key) for key in ("scale", "min")]
    if not all(type(number) in (int, float) for number in numbers):
        raise broken(where, "a scale and a min", shown(record))
    return stored, float(numbers[0]), float(numbers[1])
