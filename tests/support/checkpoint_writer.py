"""SavedModel folders and checkpoints as TensorFlow writes them, without TensorFlow.

Every stage can be edited before the next is made of it, so that a hostile file has
right checksums wherever they are not what is wrong with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from small_models import BIAS, CONFIG, KERNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Items = list[tuple[bytes, bytes]]

DTYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "float16": 19,
}
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
FOOTER_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")

# Protocol buffers


def varint(value: int) -> bytes:
    """A number in groups of seven bits; a negative one as of 64 bits."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def pb(number: int, value: int | bytes | str) -> bytes:
    """A field of a message: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed32(number: int, value: int) -> bytes:
    """A field of four bytes."""
    return varint(number << 3 | 5) + value.to_bytes(4, "little")


# The table


def masked(checksum: int) -> int:
    """A CRC-32C as it is stored."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(key: bytes, value: bytes, shared: int = 0) -> bytes:
    """An entry of a block, which leaves out what it shares with the key before."""
    tail = key[shared:]
    return varint(shared) + varint(len(tail)) + varint(len(value)) + tail + value


def block(items: Iterable[tuple[bytes, bytes]], restarts: int | None = None) -> bytes:
    """A block, every sixteenth key whole; ``restarts`` is how many it claims."""
    data, places, last = b"", [], b""
    for number, (key, value) in enumerate(items):
        shared = 0
        if number % 16:
            equal = (a == b for a, b in zip(key, last, strict=False))
            shared = next((i for i, same in enumerate(equal) if not same), None) or 0
        else:
            places.append(len(data))
        data += record(key, value, shared)
        last = key
    places = places or [0]
    count = len(places) if restarts is None else restarts
    numbers = b"".join(place.to_bytes(4, "little") for place in places)
    return data + numbers + count.to_bytes(4, "little")


def sealed(data: bytes, compression: int = 0) -> bytes:
    """A block as it lies in the file: with its compression and checksum."""
    data += bytes([compression])
    return data + masked(google_crc32c.value(data)).to_bytes(4, "little")


def handle(offset: int, size: int) -> bytes:
    """Where a block lies."""
    return varint(offset) + varint(size)


def table(*blocks: bytes, last: Iterable[bytes] = (), compression: int = 0) -> bytes:
    """A table of the given blocks, ``last`` being the last key of each."""
    keys = list(last) or [b"\xff" + bytes([i]) for i in range(len(blocks))]
    data, places = b"", []
    for own in blocks:
        places.append(handle(len(data), len(own)))
        data += sealed(own, compression)
    return closed(data, list(zip(keys, places, strict=True)))


def closed(data: bytes, listed: Items) -> bytes:
    """Blocks of data, with the list of them and the footer behind."""
    meta = handle(len(data), len(block([])))
    data += sealed(block([]))
    footer = meta + handle(len(data), len(block(listed)))
    data += sealed(block(listed))
    return data + footer.ljust(40, b"\0") + FOOTER_MAGIC


# The checkpoint


@dataclass
class Entry:
    """Where an array lies: TensorFlow's number of its type, and so on."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    more: bytes = b""

    def encoded(self) -> bytes:
        """The entry as the index holds it."""
        shape = b"".join(pb(2, pb(1, size)) for size in self.shape)
        return (
            pb(1, self.dtype)
            + pb(2, shape)
            + pb(3, self.shard)
            + pb(4, self.offset)
            + pb(5, self.size)
            + fixed32(6, self.checksum)
            + self.more
        )


@dataclass
class Node:
    """An object: its children by attribute, and of a variable the key of its array."""

    children: list[tuple[str, int]] = field(default_factory=list)
    key: str = ""
    variable: str = ""
    attributes: bytes | None = None

    def encoded(self) -> bytes:
        """The object as the graph holds it."""
        children = b"".join(
            pb(1, pb(1, number) + pb(2, name)) for name, number in self.children
        )
        if self.attributes is not None:
            return children + self.attributes
        if not self.key:
            return children
        value = pb(1, "VARIABLE_VALUE") + pb(2, self.variable) + pb(3, self.key)
        return children + pb(2, value)


def objects(arrays: Mapping[str, Any]) -> list[Node]:
    """Nodes for arrays named by attributes, ``layer-0/cell/kernel``."""
    nodes = [Node()]
    numbers = {"": 0}
    for path, array in arrays.items():
        above = ""
        for name in path.split("/"):
            at = f"{above}/{name}".lstrip("/")
            if at not in numbers:
                numbers[at] = len(nodes)
                nodes[numbers[above]].children.append((name, len(nodes)))
                nodes.append(Node())
            above = at
        if array is not None:
            own = nodes[numbers[path]]
            own.key = f"{path}/.ATTRIBUTES/VARIABLE_VALUE"
    return nodes


def encoded_graph(nodes: list[Node]) -> bytes:
    """The nodes as a message."""
    return b"".join(pb(1, node.encoded()) for node in nodes)


def text(data: bytes) -> tuple[bytes, int]:
    """A text as a tensor, and its checksum."""
    size = google_crc32c.value(len(data).to_bytes(4, "little"))
    rest = masked(size).to_bytes(4, "little") + data
    return varint(len(data)) + rest, masked(google_crc32c.extend(size, rest))


@dataclass
class Draft:
    """A model to be written; its fields are the edits, each of what its name says.

    Attributes:
        arrays: by attributes.
        shards: how many files the arrays are in.
        header: of the index.
        nodes: edits the objects, in place.
        graph: gives the bytes of the object graph other than honest ones.
        entries: edits the entries by key, in place.
        items: edits keys and values of the index, in place.
        index: gives the index other than an honest one, of its items.
        files: edits all files by their names in the folder, in place.
    """

    arrays: Mapping[str, Any]
    shards: int = 1
    header: bytes | None = None
    nodes: Callable[[list[Node]], Any] | None = None
    graph: Callable[[bytes], bytes] | None = None
    entries: Callable[[dict[str, Entry]], Any] | None = None
    items: Callable[[Items], Any] | None = None
    index: Callable[[Items], bytes] | None = None
    files: Callable[[dict[str, bytes]], Any] | None = None

    def checkpoint(self, prefix: str) -> dict[str, bytes]:
        """Its checkpoint, by names of files."""
        nodes = objects(self.arrays)
        nodes[0].children.append(("root", 0))
        edited(self.nodes, nodes)
        graph = encoded_graph(nodes)
        graph = graph if self.graph is None else self.graph(graph)
        data = [b""] * self.shards
        entries: dict[str, Entry] = {}

        def add(key: str, dtype: str, shape: Any, own: bytes, checksum: int) -> None:
            shard = len(entries) % self.shards
            place = len(data[shard])
            number = DTYPES[dtype]
            entries[key] = Entry(number, shape, shard, place, len(own), checksum)
            data[shard] += own

        for path, array in self.arrays.items():
            if array is not None:
                own = np.asarray(array).tobytes()
                key = f"{path}/.ATTRIBUTES/VARIABLE_VALUE"
                crc = masked(google_crc32c.value(own))
                add(key, str(array.dtype), array.shape, own, crc)
        own, crc = text(graph)
        add(GRAPH, "string", (), own, crc)
        edited(self.entries, entries)
        header = pb(1, self.shards) + pb(3, pb(1, 1))
        header = header if self.header is None else self.header
        items = [(key.encode(), entry.encoded()) for key, entry in entries.items()]
        items = sorted([(b"", header), *items])
        edited(self.items, items)
        index = table(block(items)) if self.index is None else self.index(items)
        return {
            f"{prefix}.index": index,
            **{
                f"{prefix}.data-{number:05}-of-{self.shards:05}": own
                for number, own in enumerate(data)
            },
        }


def edited(edit: Callable[[Any], Any] | None, value: Any) -> None:
    """The value edited in place."""
    if edit is not None:
        edit(value)


ARRAYS = {"layer-0/kernel": KERNEL, "layer-0/bias": BIAS}
DENSE = Draft(ARRAYS)
_TUPLE = {"class_name": "__tuple__", "items": [None, 2]}
ROOT = {**CONFIG, "name": "m", "keras_version": "2.10.0", "build_input_shape": _TUPLE}


def metadata(root: Any = ROOT, kind: str = "_tf_keras_sequential") -> bytes:
    """``keras_metadata.pb`` of a model; bytes stand for JSON of another sort."""
    data = root if isinstance(root, bytes) else json.dumps(root).encode()
    return pb(1, pb(2, 0) + pb(3, "root") + pb(4, kind) + pb(5, data))


def meta_graph(*more: bytes, version: str = "2.10.1") -> bytes:
    """The graph of ``saved_model.pb``, its functions a few bytes."""
    return pb(2, pb(1, pb(5, version)) + pb(2, bytes(99)) + b"".join(more))


def saved_model(draft: Draft = DENSE) -> dict[str, bytes]:
    """The files of a SavedModel."""
    files = {
        "saved_model.pb": pb(1, 1) + meta_graph(),
        "keras_metadata.pb": metadata(),
        **draft.checkpoint("variables/variables"),
    }
    edited(draft.files, files)
    return files


def old_saved_model() -> dict[str, bytes]:
    """The same of TensorFlow 2.4, whose objects are in ``saved_model.pb``."""
    files = saved_model()
    data = json.dumps({**ROOT, "keras_version": "2.4.0"})
    user = pb(4, pb(1, "_tf_keras_sequential") + pb(3, data))
    graph = pb(7, pb(1, pb(1, pb(1, 1) + pb(2, "layer-0")) + user))
    files["saved_model.pb"] = pb(1, 1) + meta_graph(graph, version="2.4.4")
    del files["keras_metadata.pb"]
    return files


def save_weights(draft: Draft = DENSE, prefix: str = "weights") -> dict[str, bytes]:
    """The files of ``save_weights``, ``checkpoint`` among them."""
    named = f'model_checkpoint_path: "{prefix}"\n'
    files = {"checkpoint": named.encode(), **draft.checkpoint(prefix)}
    edited(draft.files, files)
    return files


def checkpoint_of(path: Path, draft: Draft, prefix: str = "weights") -> Path:
    """The folder of a checkpoint."""
    return write(path, save_weights(draft, prefix))


def changed(**edits: Any) -> Draft:
    """The model of one layer with some stages edited."""
    return replace(DENSE, **edits)


def write(path: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of the given files."""
    path.mkdir(exist_ok=True)
    for name, data in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(data)
    return path
