"""The container of a bundle, an ``.npz`` with fixed rules: writer and reader.

The rules and their reasons are in ``docs/bundle.md``.  The reader accepts exactly what
the writer writes, so it needs no zip or header parser, and weights need no copy.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gru2np_runtime.layer import Array

ALIGNMENT = 64
MANIFEST = "manifest.json"
DTYPES = ("float16", "float32", "float64", "int8")
MAX_BYTES = 2**32 - 1
MAX_MEMBERS = 65535
# Bytes of a member's name.
MAX_NAME = 65535
# The limit of NumPy 1.
MAX_AXES = 32

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\3\4", b"PK\1\2", b"PK\5\6"
# The extra field that Android's zipalign uses to align data.
_PADDING_ID = 0xD935
# 1980-01-01 00:00, the earliest time in a zip; fixed, for identical bytes each time.
_TIME, _DATE = 0, 33
_UTF8 = 0x800
_VERSION = 20


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The only header allowed for this dtype and shape (NPY format 1.0)."""
    descr = np.dtype(dtype).newbyteorder("<").str
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(len(text) + 11) // ALIGNMENT) * ALIGNMENT - 10
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + _pad(text, length)


def _pad(text: str, length: int) -> bytes:
    return text.encode("latin-1").ljust(length - 1) + b"\n"


class Writer:
    """Writes members one after the other to a binary file, seekable or not."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.offset = 0
        self.central: list[bytes] = []

    def add(self, name: str, *parts: bytes | memoryview) -> None:
        """Write one member; its data starts at a multiple of 64.

        Raises:
            BundleError: the bundle or the name is too large for the format.
        """
        size = sum(len(part) for part in parts)
        crc = 0
        for part in parts:
            crc = zlib.crc32(part, crc)
        encoded = name.encode()
        if len(encoded) > MAX_NAME:
            raise BundleError(
                f"expected names of at most {MAX_NAME} bytes in a bundle, got "
                f"{len(encoded)} of {name[:60]!r}..."
            )
        start = self.offset + _LOCAL.size + len(encoded) + 4
        padding = -start % ALIGNMENT
        start += padding
        extra = struct.pack("<2H", _PADDING_ID, padding) + bytes(padding)
        if start + size > MAX_BYTES or len(self.central) == MAX_MEMBERS:
            raise BundleError(
                f"expected a bundle below 4 GiB and {MAX_MEMBERS} members; "
                f"member {name!r} exceeds it"
            )
        common = (_VERSION, _UTF8, 0, _TIME, _DATE, crc, size, size, len(encoded))
        self.file.write(_LOCAL.pack(_LOCAL_MAGIC, *common, len(extra)))
        self.file.write(encoded + extra)
        for part in parts:
            self.file.write(part)
        self.central.append(
            _CENTRAL.pack(_CENTRAL_MAGIC, _VERSION, *common, 0, 0, 0, 0, 0, self.offset)
            + encoded
        )
        self.offset = start + size

    def add_array(self, name: str, array: Array) -> memoryview:
        """Write one array as ``name.npy``, little-endian and in C order.

        Returns:
            The bytes of the data as written, without the header.
        """
        flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
        data = flat.view(np.uint8).data
        self.add(f"{name}.npy", npy_header(array.dtype.name, array.shape), data)
        return data

    def close(self) -> None:
        """Write the central directory."""
        directory = b"".join(self.central)
        count = len(self.central)
        end = (0, 0, count, count, len(directory), self.offset, 0)
        self.file.write(directory + _END.pack(_END_MAGIC, *end))


def read_members(data: bytes | memoryview) -> dict[str, memoryview]:
    """The members of a bundle by name, checked against every rule of the container.

    Raises:
        BundleError: a rule is broken; the message names the rule and the member.
    """
    view = memoryview(data)
    if len(view) < _END.size or bytes(view[:4]) != _LOCAL_MAGIC:
        raise BundleError(
            "expected a gru2np bundle (an .npz written by gru2np export), "
            f"got {len(view)} bytes that begin with {bytes(view[:4])!r}: gru2np "
            "export makes a bundle of a model"
        )
    end = _END.unpack(view[-_END.size :])
    magic, disk, start_disk, count, total, size, start, comment = end
    if magic != _END_MAGIC or disk or start_disk or comment or count != total:
        raise BundleError(
            "the bundle is cut off or has something after its end: "
            "copy it again, or write it again with gru2np export MODEL"
        )
    if start + size + _END.size != len(view):
        raise BundleError("the directory of members does not end where the file ends")
    members: dict[str, memoryview] = {}
    position, offset = start, 0
    for _ in range(count):
        name, position, offset, member = _read_member(view, position, offset)
        if name in members:
            raise BundleError(f"two members are named {name!r}")
        members[name] = member
    if offset != start or position != start + size:
        raise BundleError("the members do not fill the bundle without holes")
    if not members or list(members)[-1] != MANIFEST:
        raise BundleError(f"expected {MANIFEST} as the last member: no gru2np bundle")
    return members


def _read_member(
    view: memoryview, position: int, offset: int
) -> tuple[str, int, int, memoryview]:
    """One member, from its directory entry at position and its local header at offset.

    Returns:
        Its name, the next position, the next offset, and its bytes.
    """
    try:
        entry = _CENTRAL.unpack_from(view, position)
        local = _LOCAL.unpack_from(view, offset)
    except struct.error:
        raise BundleError("the directory of members is cut off") from None
    crc, size, length = entry[7], entry[8], entry[10]
    encoded = bytes(view[position + _CENTRAL.size :][:length])
    try:
        name = encoded.decode()
    except UnicodeDecodeError:
        raise BundleError(f"member name {encoded!r} is not UTF-8") from None
    common = (_VERSION, _UTF8, 0, _TIME, _DATE, crc, size, size, length)
    if entry != (_CENTRAL_MAGIC, _VERSION, *common, 0, 0, 0, 0, 0, offset):
        raise BundleError(
            f"member {name!r}: its directory entry is not one that gru2np writes "
            "(stored, no encryption, no extra fields, in order)"
        )
    data = offset + _LOCAL.size + length + 4
    padding = -data % ALIGNMENT
    expected = encoded + struct.pack("<2H", _PADDING_ID, padding) + bytes(padding)
    actual = bytes(view[offset + _LOCAL.size :][: len(expected)])
    if local != (_LOCAL_MAGIC, *common, padding + 4) or actual != expected:
        raise BundleError(f"member {name!r}: its header and its entry differ")
    data += padding
    member = view[data : data + size]
    if len(member) != size or data + size > len(view):
        raise BundleError(f"member {name!r}: expected {size} bytes, the file ends")
    if zlib.crc32(member) != crc:
        raise BundleError(f"member {name!r} is damaged: its checksum differs")
    return name, position + _CENTRAL.size + length, data + size, member


def read_array(
    member: memoryview, name: str, dtype: str, shape: Iterable[int]
) -> Array:
    """The array of a member, a read-only view of its bytes.

    Raises:
        BundleError: the member is not an array of this dtype and shape.
    """
    sizes = tuple(shape)
    # With a size of 0 the other sizes could be larger than any array.
    claimed = np.dtype(dtype).itemsize * _product(max(size, 1) for size in sizes)
    if len(sizes) > MAX_AXES or claimed > MAX_BYTES:
        raise BundleError(
            f"member {name!r}: expected at most {MAX_AXES} axes and, sizes of 0 taken "
            f"as 1, less than 4 GiB; got {len(sizes)} axes or more bytes"
        )
    header = npy_header(dtype, sizes)
    expected = len(header) + np.dtype(dtype).itemsize * _product(sizes)
    if len(member) != expected or bytes(member[: len(header)]) != header:
        raise BundleError(
            f"member {name!r}: expected {dtype} of shape {sizes} as the manifest "
            f"says, {expected} bytes; got {len(member)} bytes or another header"
        )
    return np.frombuffer(
        member[len(header) :], np.dtype(dtype).newbyteorder("<")
    ).reshape(sizes)


def _product(sizes: Iterable[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def encode_manifest(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's bytes: sorted keys, so that equal manifests are equal bytes."""
    text = json.dumps(
        manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
    )
    return text.encode() + b"\n"
