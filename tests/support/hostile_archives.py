"""Archives, JSON and pickles that attack a reader."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from attack import Attack
from gru2np.errors import UnsupportedModelError
from small_models import CONFIG, KERNEL, members, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Edits


def config(text: str | bytes) -> Callable[[Path], Path]:
    """A legacy model with another architecture."""
    value = text.encode() if isinstance(text, str) else text

    def build(folder: Path) -> Path:
        return write_zip(folder / "model.keras", members(config__json=value))

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


# What is wrong


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

ATTACKS = {
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
    "weights as npz": Attack(_npz, "only pickle can read", UnsupportedModelError),
    # Pickles
    "object array": Attack(_object_array, "got a NumPy array"),
    "pickle": Attack(_bytes(b"\x80\x04\x95evil."), "got a pickle"),
}
