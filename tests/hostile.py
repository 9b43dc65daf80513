"""Files that attack a reader, each a small honest file with one thing changed.

``ATTACKS`` at the foot has a row for each: how it is built and what the refusal says.
Every builder writes into a directory it is given and returns the model's path; what an
attack tries to reach is a canary beside it.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from gru2np.errors import Gru2npError, ModelFileError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = {
    "class_name": "Sequential",
    "config": {"name": "m", "layers": [{"class_name": "Dense", "config": {}}]},
}
KERNEL = np.arange(6, dtype="<f4").reshape(2, 3)
BIAS = np.arange(3, dtype="<f4")
METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}


@dataclass(frozen=True)
class Attack:
    """How a hostile file is built, and what its refusal says."""

    build: Callable[[Path], Path]
    message: str
    error: type[Gru2npError] = ModelFileError


# Honest files


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


# Edits


def edited(edit: Callable[[h5py.File, Path], None]) -> Callable[[Path], Path]:
    """A legacy model after an edit of the open file."""

    def build(folder: Path) -> Path:
        canary = folder / "canary.h5"
        with h5py.File(canary, "w") as file:
            write_groups(file)
        path = write_h5(folder / "model.h5")
        with h5py.File(path, "r+") as file:
            edit(file, canary)
        return path

    return build


def weight(**options: Any) -> Callable[[Path], Path]:
    """A legacy model whose kernel is another dataset."""

    def edit(file: h5py.File, _: Path) -> None:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", **options)

    return edited(edit)


def attribute(place: str, name: str, value: Any) -> Callable[[Path], Path]:
    """A legacy model with one attribute changed."""

    def edit(file: h5py.File, _: Path) -> None:
        file[place].attrs[name] = value

    return edited(edit)


def config(text: str | bytes) -> Callable[[Path], Path]:
    """A legacy model with another architecture."""
    value = text.encode() if isinstance(text, str) else text

    def build(folder: Path) -> Path:
        return write_zip(folder / "model.keras", members(config__json=value))

    return build


def keras(edit: Callable[[h5py.File], None]) -> Callable[[Path], Path]:
    """A ``.keras`` archive after an edit of its weights."""

    def write(file: h5py.File) -> None:
        write_paths(file)
        edit(file)

    def build(folder: Path) -> Path:
        changed = members(model__weights__h5=weights_bytes(write))
        return write_zip(folder / "model.keras", changed)

    return build


def archive(
    edit: Callable[[zipfile.ZipFile], None], method: int = zipfile.ZIP_STORED
) -> Callable[[Path], Path]:
    """A ``.keras`` archive with an edit before its directory is written."""

    def build(folder: Path) -> Path:
        path = folder / "model.keras"
        with zipfile.ZipFile(path, "w", method) as file:
            for name, data in members().items():
                file.writestr(name, data)
            edit(file)
            file._didModify = True  # type: ignore[attr-defined]
        return path

    return build


def patched(old: bytes, new: bytes, method: int = zipfile.ZIP_STORED) -> Any:
    """A ``.keras`` archive with bytes exchanged, the last ones that match."""

    def build(folder: Path) -> Path:
        path = write_zip(folder / "model.keras", members(), method)
        before, found, after = path.read_bytes().rpartition(old)
        assert found
        path.write_bytes(before + new + after)
        return path

    return build


# HDF5


def _replace_layer(link: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def edit(file: h5py.File, canary: Path) -> None:
        del file["model_weights/d"]
        file["model_weights/d"] = link(canary)

    return edited(edit)


def _external_weights(file: h5py.File, canary: Path) -> None:
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink(canary, "/")


def _external_data(file: h5py.File, canary: Path) -> None:
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    group.create_dataset("kernel:0", (2, 3), "f4", external=[(canary, 0, 24)])


def _virtual_data(file: h5py.File, canary: Path) -> None:
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[:] = h5py.VirtualSource(canary, "d/d/kernel:0", (2, 3))
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    group.create_virtual_dataset("kernel:0", layout)


def _virtual_without_end(file: h5py.File, canary: Path) -> None:
    # HDF5 opens the sources of such data when only its shape is asked for.
    layout = h5py.VirtualLayout((2, 3), "f4", maxshape=(None, 3))
    source = h5py.VirtualSource(canary, "d/d/kernel:0", (2, 3), maxshape=(None, 3))
    layout[: h5py.h5s.UNLIMITED, :] = source[: h5py.h5s.UNLIMITED, :]
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    group.create_virtual_dataset("kernel:0", layout)


def _unknown_filter(file: h5py.File, _: Path) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((2, 3))
    creation.set_filter(40000, h5py.h5z.FLAG_OPTIONAL)
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    space = h5py.h5s.create_simple((2, 3))
    h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, creation)


def _aliases(file: h5py.File, _: Path) -> None:
    group = file["model_weights/d"]
    group["big"] = np.zeros(1 << 16, "f4")
    names = [f"alias{i}" for i in range(100)]
    for name in names:
        group[name] = group["big"]
    group.attrs["weight_names"] = np.array([name.encode() for name in names])


def _cycle(file: h5py.File) -> None:
    file["layers/dense/self"] = file["layers"]


def _cycles(file: h5py.File) -> None:
    for i in range(8):
        file[f"layers/again{i}"] = file["layers"]


def _undecodable_link(file: h5py.File) -> None:
    group = file["layers/dense/vars"]
    group.id.links.create_hard(b"bad\xff\xfename", group.id, b"0")


def _chunk_bomb(file: h5py.File, _: Path) -> None:
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    dataset = group.create_dataset(
        "kernel:0", (1 << 14,), "f4", chunks=(1 << 14,), compression="gzip"
    )
    dataset.id.write_direct_chunk((0,), zlib.compress(bytes(60 << 20)))


def _missing_chunk(file: h5py.File, _: Path) -> None:
    group = file["model_weights/d/d"]
    del group["kernel:0"]
    dataset = group.create_dataset("kernel:0", (64,), "f4", chunks=(8,))
    dataset[:56] = 1


def _own_weights(file: h5py.File, _: Path) -> None:
    group = file["model_weights"].create_group("top_level_model_weights")
    group.attrs["weight_names"] = np.array([b"own"])
    group["own"] = BIAS


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


# Zip


def _flag(bit: int) -> Callable[[zipfile.ZipFile], None]:
    def edit(file: zipfile.ZipFile) -> None:
        file.getinfo("config.json").flag_bits |= bit

    return edit


def _twice(folder: Path) -> Path:
    path = write_zip(folder / "model.keras", {**members(), "config.jsoN": b"{}"})
    data = path.read_bytes().replace(b"config.jsoN", b"config.json")
    path.write_bytes(data)
    return path


def _named(name: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        given = {**members(), "X" * len(name): b"evil"}
        path = write_zip(folder / "model.keras", given)
        data = path.read_bytes().replace(b"X" * len(name), name.encode())
        path.write_bytes(data)
        return path

    return build


def _size(name: str, field: str, change: int) -> Callable[[zipfile.ZipFile], None]:
    def edit(file: zipfile.ZipFile) -> None:
        member = file.getinfo(name)
        setattr(member, field, getattr(member, field) + change)

    return edit


def _overlap(file: zipfile.ZipFile) -> None:
    member = file.getinfo("metadata.json")
    file.getinfo("config.json").header_offset = member.header_offset


def _nested_overlap(folder: Path) -> Path:
    # A whole member inside another's data, as in zip bombs that count bytes twice.
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("config.json", json.dumps(CONFIG))
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("assets.bin", inner.getvalue())
        for name, data in members(config__json=None).items():
            file.writestr(name, data)
        member = zipfile.ZipFile(inner).getinfo("config.json")
        member.header_offset = 30 + len("assets.bin")
        file.filelist.append(member)
        file.NameToInfo["config.json"] = member
    return path


def _bomb(name: str, size: int) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        given = {**members(), name: bytes(size)}
        return write_zip(folder / "model.keras", given, zipfile.ZIP_DEFLATED)

    return build


def _many_members(folder: Path) -> Path:
    path = write_zip(folder / "model.keras", members())
    with zipfile.ZipFile(path, "a") as file:
        for i in range(12_000):
            file.writestr(f"assets/{i:060}", b"")
    return path


def _npz(folder: Path) -> Path:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"evil": 1}], dtype=object))
    changed = members(model__weights__h5=None, model__weights__npz=buffer.getvalue())
    return write_zip(folder / "model.keras", changed)


def _object_array(folder: Path) -> Path:
    path = folder / "model.h5"
    with path.open("wb") as file:
        np.save(file, np.array([{"evil": 1}], dtype=object))
    return path


def _bytes(data: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "model.h5"
        path.write_bytes(data)
        return path

    return build


_DEEP = '{"class_name":"Sequential","config":' + "[" * 5000 + "]" * 5000 + "}"
_WIDE = '{"class_name":"Sequential","config":[' + "0," * 1_100_000 + "0]}"
_TEXTS = h5py.string_dtype()
_COMPOUND = np.dtype([("a", "f4"), ("b", "f4")])

ATTACKS = {
    # HDF5: what leads out of the file
    "soft link": Attack(
        _replace_layer(lambda _: h5py.SoftLink("/model_weights")), "got a soft link"
    ),
    "external link": Attack(
        _replace_layer(lambda canary: h5py.ExternalLink(canary, "/d")),
        "model_weights/d: expected an object in the file, got an external link",
    ),
    "external link as root of the weights": Attack(
        edited(_external_weights), "got an external link"
    ),
    "external data": Attack(edited(_external_data), "got external data"),
    "virtual data": Attack(edited(_virtual_data), "got virtual data"),
    "virtual data without end": Attack(
        edited(_virtual_without_end), "got virtual data"
    ),
    "unknown filter": Attack(edited(_unknown_filter), "got filter 40000"),
    "name that climbs": Attack(
        attribute("model_weights/d", "weight_names", np.array([b"../d/bias:0"])),
        "expected the name of one object, got '..'",
    ),
    "absolute name": Attack(
        attribute("model_weights/d", "weight_names", np.array([b"/model_weights"])),
        "expected the name of one object, got ''",
    ),
    "own weights": Attack(
        edited(_own_weights), "weights of its own", UnsupportedModelError
    ),
    # HDF5: what is not there, or more than once
    "huge shape": Attack(
        weight(shape=(1 << 20, 1 << 20), dtype="f4"),
        "expected 4398046511104 bytes for the shape (1048576, 1048576), got 0",
    ),
    "huge shape in chunks": Attack(
        weight(shape=(1 << 30,), dtype="f4", chunks=(1 << 20,)),
        "expected 1024 chunks, each once, got 0",
    ),
    "shape of too many chunks": Attack(
        weight(shape=(1 << 60,), dtype="f4", chunks=(1,)), "the shape of"
    ),
    "never written": Attack(
        weight(shape=(2, 3), dtype="f4"), "expected 24 bytes for the shape"
    ),
    "no data": Attack(weight(data=h5py.Empty("f4")), "got an empty dataspace"),
    "missing chunk": Attack(edited(_missing_chunk), "expected 8 chunks"),
    "aliases": Attack(edited(_aliases), "share the same bytes"),
    "weight listed twice": Attack(
        attribute("model_weights/d", "weight_names", np.array([b"d/bias:0"] * 2)),
        "expected each name once, got 'd/bias:0' twice",
    ),
    "layer listed twice": Attack(
        attribute("model_weights", "layer_names", np.array([b"d", b"d"])),
        "expected each name once, got 'd' twice",
    ),
    "cycle": Attack(keras(_cycle), "groups that contain themselves"),
    "many cycles": Attack(keras(_cycles), "groups that contain themselves"),
    "compressed zeros": Attack(
        weight(data=np.zeros(1 << 22, "f4"), compression="gzip", chunks=True),
        "bytes or more when decompressed",
    ),
    "chunk that unpacks to more": Attack(
        edited(_chunk_bomb), "expected a chunk that unpacks to"
    ),
    # HDF5: other things than expected
    "undecodable link": Attack(keras(_undecodable_link), "codec can't decode"),
    "undecodable layer name": Attack(
        attribute("model_weights", "layer_names", np.array([b"bad\xff"])),
        "codec can't decode",
    ),
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
    "strange variable": Attack(
        keras(lambda file: file["layers/dense/vars"].create_group("vocabulary")),
        "expected the arrays 0 to 2, got 'vocabulary'",
    ),
    # JSON
    "deep JSON": Attack(config(_DEEP), "got 5001 levels"),
    "wide JSON": Attack(config(_WIDE), "at most 1000000 values"),
    "large JSON": Attack(config('{"a":"' + "y" * (9 << 20) + '"}'), "at most 8388608"),
    "quotes without end": Attack(config('{"' + '\\"' * (3 << 20)), "cannot be read"),
    "huge integer": Attack(
        config('{"class_name":"S","config":{"units":' + "9" * 5000 + "}}"),
        "cannot be read (Exceeds the limit",
    ),
    "duplicate key": Attack(
        config('{"class_name":"S","class_name":"Lambda","config":{}}'),
        "the key 'class_name' is given twice",
    ),
    "half a character": Attack(
        config('{"class_name":"S\\ud800","config":{}}'), "surrogates not allowed"
    ),
    "JSON not in UTF-8": Attack(config(b'{"class_name":"\xff"}'), "codec can't decode"),
    "list as JSON": Attack(config("[1]"), "expected a JSON object, got list"),
    "JSON of something else": Attack(config('{"a":1}'), "keys ['a']"),
    # Zip
    "duplicate member": Attack(_twice, "expected one member by this name"),
    "encrypted member": Attack(archive(_flag(1)), "got an encrypted one"),
    "climbing name": Attack(_named("../evil"), "a plain relative name"),
    "absolute member": Attack(_named("/tmp/evil"), "a plain relative name"),
    "drive name": Attack(_named("C:evil"), "a plain relative name"),
    "backslash name": Attack(_named("..\\evil"), "a plain relative name"),
    "name with NUL": Attack(_named("evil\0.txt"), "a plain relative name"),
    "bomb as weights": Attack(
        _bomb("model.weights.h5", 40 << 20), "at most 100 times its packed size"
    ),
    "bomb as architecture": Attack(
        _bomb("config.json", 40 << 20), "at most 100 times its packed size"
    ),
    "bomb below the ratio": Attack(_bomb("config.json", 1 << 20), "cannot be read"),
    "size too small": Attack(
        archive(_size("config.json", "file_size", -9), zipfile.ZIP_DEFLATED),
        "Bad CRC-32",
    ),
    "size too large": Attack(
        archive(_size("config.json", "file_size", 9), zipfile.ZIP_DEFLATED),
        "bytes as declared",
    ),
    "stored size too large": Attack(
        archive(_size("model.weights.h5", "file_size", 9)), "bytes as declared"
    ),
    "size beyond the archive": Attack(
        archive(_size("model.weights.h5", "compress_size", 1 << 20)),
        "expected bytes within the archive",
    ),
    "place beyond the archive": Attack(
        archive(_size("model.weights.h5", "header_offset", 1 << 20)), "cannot be read"
    ),
    "overlapping members": Attack(archive(_overlap), "config.json"),
    "member in a member": Attack(_nested_overlap, "bytes of another member too"),
    "changed weights": Attack(
        patched(KERNEL.tobytes(), KERNEL.tobytes()[::-1]), "the bytes its checksum"
    ),
    "directory of another size": Attack(
        patched(b"PK\x05\x06", b"PK\x05\x07"), "cannot be read"
    ),
    "unknown compression": Attack(
        archive(lambda file: None, zipfile.ZIP_BZIP2), "got method 12"
    ),
    "many members": Attack(_many_members, "bytes asked for at once"),
    "weights as npz": Attack(_npz, "takes pickle to read", UnsupportedModelError),
    # Pickles
    "object array": Attack(_object_array, "got a NumPy array"),
    "pickle": Attack(_bytes(b"\x80\x04\x95evil."), "got a pickle"),
}
