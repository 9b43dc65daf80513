"""Small model files, honest ones, from which others are made by one change."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gru2np.ir import RawModel

CONFIG = {
    "class_name": "Sequential",
    "config": {"name": "m", "layers": [{"class_name": "Dense", "config": {}}]},
}
KERNEL = np.arange(6, dtype="<f4").reshape(2, 3)
BIAS = np.arange(3, dtype="<f4")
METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}


def write_h5(path: Path, **attributes: Any) -> Path:
    """A legacy model with one layer ``d``; None leaves an attribute out."""
    given = {
        "model_config": json.dumps(CONFIG),
        "keras_version": "2.15.0",
        "backend": "tensorflow",
        **attributes,
    }
    with h5py.File(path, "w") as file:
        for name, value in given.items():
            if value is not None:
                file.attrs[name] = value
        write_groups(file.create_group("model_weights"))
    return path


def write_groups(top: h5py.Group) -> None:
    """The weights of the layer ``d`` in the legacy layout."""
    top.attrs["layer_names"] = np.array([b"d"])
    group = top.create_group("d")
    group.attrs["weight_names"] = np.array([b"d/kernel:0", b"d/bias:0"])
    group["d/kernel:0"] = KERNEL
    group["d/bias:0"] = BIAS


def write_paths(file: h5py.File) -> None:
    """The weights of one dense layer in the layout of Keras 3."""
    file.create_group("vars")
    file.create_group("optimizer/vars")["0"] = np.zeros(2)
    group = file.create_group("layers/dense/vars")
    group["0"] = KERNEL
    group["1"] = BIAS


def write_dependencies(file: h5py.File) -> None:
    """The same weights as tf.keras 2.12 to 2.14 call them."""
    file.create_group("vars")
    group = file.create_group("_layer_checkpoint_dependencies/dense/vars")
    group["0"] = KERNEL
    group["1"] = BIAS


def weights_bytes(write: Callable[[h5py.File], None] = write_paths) -> bytes:
    """A weights file in memory."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def members(**changed: bytes | None) -> dict[str, bytes]:
    """The members of an honest ``.keras`` archive; None leaves one out."""
    given: dict[str, bytes | None] = {
        "metadata.json": json.dumps(METADATA).encode(),
        "config.json": json.dumps({**CONFIG, "compile_config": {"evil": 1}}).encode(),
        "model.weights.h5": weights_bytes(),
    }
    given.update({name.replace("__", "."): data for name, data in changed.items()})
    return {name: data for name, data in given.items() if data is not None}


def write_zip(
    path: Path, given: dict[str, bytes], method: int = zipfile.ZIP_STORED
) -> Path:
    """An archive of the given members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in given.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, given: dict[str, bytes]) -> Path:
    """A directory of the given files."""
    path.mkdir(exist_ok=True)
    for name, data in given.items():
        (path / name).write_bytes(data)
    return path


def write_architecture(folder: Path, **keys: Any) -> Path:
    """The architecture of the small models as JSON, with more keys."""
    path = folder / "arch.json"
    path.write_text(json.dumps({**CONFIG, **keys}))
    return path


def write_weights(
    folder: Path, write: Callable[[h5py.File], None], **attributes: str
) -> Path:
    """A weights file, with attributes of the file."""
    path = folder / "weights.h5"
    with h5py.File(path, "w") as file:
        write(file)
        file.attrs.update(attributes)
    return path


def arrays(raw: RawModel) -> dict[str, list[np.ndarray[Any, Any]]]:
    """All weights that a reader found, by layer or by path."""
    if raw.groups is not None:
        found = dict(raw.groups.groups)
    elif raw.objects is not None:
        found = {tensor.name: (tensor,) for tensor in raw.objects.everything()}
    elif raw.flat is not None:
        found = {tensor.name: (tensor,) for tensor in raw.flat.arrays}
    else:
        assert raw.paths is not None
        found = {path: tuple(raw.paths.variables(path)) for path in raw.paths.paths()}
    return {name: [tensor.read() for tensor in found[name]] for name in found}


def assert_dense(raw: RawModel, name: str = "layers/dense") -> None:
    """Assert that a reader found the weights of the small models, and no others."""
    found = arrays(raw)
    assert list(found) == [name]
    kernel, bias = found[name]
    np.testing.assert_array_equal(kernel, KERNEL, strict=True)
    np.testing.assert_array_equal(bias, BIAS, strict=True)
