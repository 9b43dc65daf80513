"""HDF5 whose attributes and types attack a reader."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import h5py
import numpy as np

from attack import Attack
from hostile_hdf5 import attribute, weight
from small_models import write_h5

if TYPE_CHECKING:
    from pathlib import Path


def _descriptor(path: Path, text: bytes) -> int:
    """Where the length of a string of variable length stands in a file."""
    data = path.read_bytes()
    name = data.index(text + b"\0")
    return data.index(struct.pack("<L", 10), name)


def _lying_length(folder: Path) -> Path:
    path = write_h5(folder / "model.h5", backend="tensorflow")
    data = bytearray(path.read_bytes())
    place = _descriptor(path, b"backend")
    data[place : place + 4] = struct.pack("<L", 0xF000_0000)
    path.write_bytes(data)
    return path


def _many_names_of_one_text(folder: Path) -> Path:
    path = write_h5(folder / "model.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["long"] = "y" * 1_000_000
        names = np.array(["x" * 333] * 3000, dtype=object)
        file["model_weights"].attrs["layer_names"] = names
    data = path.read_bytes()
    long = data.index(struct.pack("<L", 1_000_000), data.index(b"long\0"))
    short = struct.pack("<L", 333)
    start = data.index(short, data.index(b"layer_names\0"))
    forged = bytearray(data)
    forged[start : start + 16 * 3000] = data[long : long + 16] * 3000
    path.write_bytes(forged)
    return path


_TEXTS = h5py.string_dtype()
_COMPOUND = np.dtype([("a", "f4"), ("b", "f4")])

ATTACKS = {
    "number as architecture": Attack(
        attribute("/", "model_config", 3), "attribute model_config: expected text"
    ),
    "list as architecture": Attack(
        attribute("/", "model_config", np.array([b"a", b"b"])), "expected one string"
    ),
    "table as layer names": Attack(
        attribute("model_weights", "layer_names", np.array([[b"d"]])),
        "expected a list of names, got shape (1, 1)",
    ),
    "numbers as layer names": Attack(
        attribute("model_weights", "layer_names", np.arange(3)), "expected text"
    ),
    "text as weight names": Attack(
        attribute("model_weights/d", "weight_names", "d/bias:0"),
        "expected a list of names, got one string",
    ),
    "huge attribute": Attack(
        attribute("/", "model_config", "y" * (9 << 20)), "bytes of text, at most"
    ),
    "text with a lying length": Attack(_lying_length, "bytes of text, at most"),
    "many names of one text": Attack(
        _many_names_of_one_text, "3000000000 bytes of text, at most"
    ),
    "texts as weight": Attack(weight(data=["a"], dtype=_TEXTS), "one of object"),
    "compound weight": Attack(
        weight(data=np.zeros(2, _COMPOUND)), "floats or integers"
    ),
    "complex weight": Attack(weight(data=np.zeros(2, "c8")), "one of complex64"),
    "boolean weight": Attack(weight(data=np.zeros(2, bool)), "one of bool"),
    "reference weight": Attack(
        weight(shape=(1,), dtype=h5py.ref_dtype), "floats or integers"
    ),
    "name of control characters": Attack(
        attribute("model_weights", "layer_names", np.array([b"\x1b[2J\n"])),
        "model_weights/?[2J?: expected the weights of a layer, got no such group",
    ),
    "name of a novel": Attack(
        attribute("model_weights", "layer_names", np.array([b"n" * 9999])),
        "expected the weights of a layer, got no such group",
    ),
    "group as weight": Attack(
        attribute("model_weights/d", "weight_names", np.array([b"d"])),
        "model_weights/d/d: expected an array, got a group",
    ),
    "array as group": Attack(
        attribute("model_weights", "layer_names", np.array([b"d/d/bias:0"])),
        "expected a group, got an array",
    ),
}
