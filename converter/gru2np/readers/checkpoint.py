"""A TensorFlow checkpoint: arrays, and the graph of the objects that own them.

prefix.index               a sorted table: the offset of each array, by key
prefix.data-0000N-of-...   the bytes of the arrays, in shards
checkpoint                 a text file in the folder: the prefix written last

``save_weights`` of tf.keras wrote a checkpoint unless the name ended with ``.h5``; a
SavedModel has one, ``variables/variables``.  Keys say nothing about layers.  The object
graph (key ``_CHECKPOINTABLE_OBJECT_GRAPH``) says which object owns which array; it is
followed from the model on.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
import numpy as np

from gru2np.errors import UnsupportedModelError
from gru2np.ir import StoredTensor
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.safe.protobuf import Message, varint
from gru2np.readers.safe.sstable import masked, read_table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from gru2np.readers.safe.window import Window
    from gru2np.readers.source import Members

OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
#: Where a SavedModel has its checkpoint.
VARIABLES = "variables/variables"
#: The text file that names the newest checkpoint of a folder.
NEWEST = "checkpoint"
MOST_NEWEST_BYTES = 1 << 20
MOST_SHARDS = 500
MOST_GRAPH_BYTES = 16 << 20
MOST_CHILDREN = 200_000
MOST_DIMENSIONS = 32
#: Attributes of Keras objects that lead to no weights: metrics, states of random
#: generators, lookup tables.  All other attributes may be those of a layer.
_NO_WEIGHTS = frozenset({"keras_api", "_random_generator", "seed_generator", "saver"})
#: The same for models, whose weights are those of their layers.
_OF_MODELS = frozenset(
    {"optimizer", "loss", "metrics", "signatures", "save_counter", "states"}
)
#: Attributes that list arrays of an object and of the objects inside it.
_LISTS = frozenset({"variables", "trainable_variables", "non_trainable_variables"})
#: TensorFlow's numbers of types (``tensorflow/core/framework/types.proto``).
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_STRING = 7
_NEWEST = re.compile(r'^model_checkpoint_path: "([^"]*)"', re.MULTILINE)
_FILE = re.compile(r"(?<=.)\.(index|data-\d{5}-of-\d{5})$", re.ASCII | re.DOTALL)
_HDF5 = b"\x89HDF"
_LAYER = re.compile(r"layer-(0|[1-9][0-9]{0,5})", re.ASCII)


class Entry(NamedTuple):
    """The place of an array.

    Attributes:
        dtype: TensorFlow's number for its type.
        shape: its shape.
        shard: the number of the file.
        offset: in the file, in bytes.
        size: in bytes.
        checksum: the masked CRC-32C of its bytes.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


class Node(NamedTuple):
    """An object of the graph.

    Attributes:
        children: numbers of other objects by attribute name.
        key: the key of its array in the index; empty if it is not a variable.
        variable: the name of the variable in Keras.
    """

    children: Mapping[str, int]
    key: str
    variable: str


def find(path: str | os.PathLike[str], stack: ExitStack) -> Checkpoint | None:
    """The checkpoint at a path; None if the path is something else.

    Args:
        path: see ``location``.
        stack: closes the files.

    Raises:
        ModelFileError: it is damaged, or ``checkpoint`` names none that is there.
    """
    name = Path(path).name
    with reading(name):
        prefix = location(path)
        files = SafeFolder(prefix.parent, "")
        if files.has(f"{prefix.name}.index"):
            return Checkpoint(files, prefix.name, stack)
    if prefix.name != name and files.has(name):
        advice = "a checkpoint is several files: fetch all of them, or save it again"
        raise broken(name, f"a file {prefix.name}.index beside it", "none", advice)
    return None


def location(path: str | os.PathLike[str]) -> Path:
    """The prefix of a checkpoint, if there is one.

    Args:
        path: a prefix, one of its files, the file ``checkpoint``, a folder of it, or a
            SavedModel.

    Raises:
        ModelFileError: ``checkpoint`` names none that is there.
    """
    path = Path(path)
    if path.is_dir() and (path / f"{VARIABLES}.index").is_file():
        return path / VARIABLES
    if path.is_dir() or path.name == NEWEST:
        folder = path if path.is_dir() else path.parent
        if newest := _newest(folder):
            return folder / newest
    return path.with_name(_FILE.sub("", path.name)) if path.name else path


def _newest(folder: Path) -> str:
    """The prefix that a folder's ``checkpoint`` names; empty if there is none."""
    files = SafeFolder(folder, folder.name)
    if not files.has(NEWEST):
        return ""
    where = f"{folder.name}/{NEWEST}"
    with ExitStack() as stack, reading(where):
        if files.window(NEWEST, stack).at(0, len(_HDF5)) == _HDF5:
            return ""  # a weights file with this name
        data = files.read(NEWEST, MOST_NEWEST_BYTES, stack)
        match = _NEWEST.search(data.decode("utf-8", "replace"))
        # The folder is that of the machine that trained; only the name is used.
        prefix = re.split(r"[/\\]", match[1])[-1] if match else ""
        there = bool(prefix) and files.has(f"{prefix}.index")
    if not there:
        raise broken(
            where,
            "the prefix of a checkpoint beside it",
            shown(prefix or data[:60]),
            "name the one you mean: --weights FOLDER/PREFIX (in Python, weights=)",
        )
    return prefix


class Checkpoint:
    """The arrays of a checkpoint, by owner and attribute.

    A path is the attributes that lead from the model to an object, ``layer-1/cell``;
    that of the model is ``""``.

    Args:
        members: the folder of the files.
        prefix: what their names begin with.
        stack: closes them.
    """

    def __init__(self, members: Members, prefix: str, stack: ExitStack) -> None:
        self._members, self._prefix, self._stack = members, prefix, stack
        self.where = f"{members.where}/{prefix}".lstrip("/")
        index = f"{self.where}.index"
        with reading(index):
            table = read_table(members.window(f"{prefix}.index", stack), index)
            self._shards = _shards(table, index)
            self._files = [members.window(name, stack) for name in self._names()]
            self._entries = {
                key.decode(): _entry(value, f"{index} key {shown(key)}")
                for key, value in table.items()
                if key
            }
            _check_places(self._entries.values(), index)
            self._nodes = self._graph()
        self._root = self._model()
        self._tensors: dict[str, StoredTensor] = {}

    def windows(self) -> list[Window]:
        """Its files, the index first."""
        index = self._members.window(f"{self._prefix}.index", self._stack)
        return [index, *self._files]

    def layers(self, path: str) -> int:
        """The number of layers of the model at a path."""
        node = self._at(path)
        names = () if node is None else self._nodes[node].children
        return sum(_LAYER.fullmatch(name) is not None for name in names)

    def variables(self, path: str) -> Mapping[str, StoredTensor]:
        """The arrays of the object at a path, by attribute."""
        node = self._at(path)
        return {} if node is None else self._owned(node)

    def _owned(self, number: int) -> dict[str, StoredTensor]:
        return {
            name: self._tensor(self._nodes[child])
            for name, child in self._nodes[number].children.items()
            if self._nodes[child].key
        }

    def owners(self) -> Iterator[tuple[str, Mapping[str, StoredTensor]]]:
        """Each object of the model that owns arrays, once, with its path."""
        seen, waiting = {self._root}, [("", self._root)]
        while waiting:
            path, number = waiting.pop()
            arrays = self._owned(number)
            if arrays:
                yield path, arrays
            for name, child in reversed([*self._nodes[number].children.items()]):
                if child in seen or name in _LISTS:
                    continue
                if not self._is_passed_over(self._nodes[number], name):
                    seen.add(child)
                    waiting.append((f"{path}/{name}".lstrip("/"), child))

    def everything(self) -> Iterator[StoredTensor]:
        """Each array of the model and of the objects inside it, once."""
        seen, waiting = {self._root}, [self._root]
        while waiting:
            node = self._nodes[waiting.pop()]
            if node.key:
                yield self._tensor(node)
            for name, child in node.children.items():
                if child not in seen and not self._is_passed_over(node, name):
                    seen.add(child)
                    waiting.append(child)

    def _is_passed_over(self, node: Node, name: str) -> bool:
        """Whether an attribute of an object leads to no weights."""
        return name in _NO_WEIGHTS or (name in _OF_MODELS and _is_model(node))

    def _at(self, path: str) -> int | None:
        """The number of the object at a path of attributes."""
        node: int | None = self._root
        for name in filter(None, path.split("/")):
            children = {} if node is None else self._nodes[node].children
            node = children.get(name)
        return node

    def _model(self) -> int:
        """The number of the model: the root, or what ``Checkpoint(model=m)`` holds."""
        holders = [0] if _is_model(self._nodes[0]) else []
        if not holders:
            children = self._nodes[0].children.values()
            holders = [own for own in set(children) if _is_model(self._nodes[own])]
        if len(holders) != 1:
            got = "several" if holders else "none"
            names = sorted(self._nodes[0].children)
            raise broken(
                f"{self.where}.index",
                "the weights of one Keras model, layers called layer-0, layer-1, ...",
                f"{got} among {shown(names, 120)}",
                "save the weights of the model alone: model.save_weights(...)",
            )
        return holders[0]

    def _graph(self) -> list[Node]:
        """The objects, by number."""
        where = f"{self.where}.index"
        entry = self._entries.pop(OBJECT_GRAPH.decode(), None)
        if entry is None:
            raise UnsupportedModelError(
                f"{where}: a checkpoint of TensorFlow 1 (tf.train.Saver), whose arrays "
                "are named by variables and not by layers, or one of its own variables "
                "alone; load it where it was made, and save the weights with "
                'model.save_weights("model.h5")'
            )
        if entry.dtype != _STRING or entry.shape or entry.size > MOST_GRAPH_BYTES:
            expected = f"a text of at most {MOST_GRAPH_BYTES} bytes"
            raise broken(f"{where} object graph", expected, shown(entry))
        data = self._bytes(entry, OBJECT_GRAPH.decode(), _text_checksum)
        size, start = varint(data, 0, where)
        # The length is followed by its checksum.
        text = data[start + 4 :]
        if len(text) != size:
            raise broken(f"{where} object graph", f"{size} bytes", str(len(text)))
        nodes = _nodes(Message(text, where), f"{where} object graph")
        for node in nodes:
            for name, child in node.children.items():
                if child >= len(nodes):
                    got = f"number {child} of {len(nodes)}"
                    raise broken(f"{where} object {shown(name)}", "an object", got)
        return nodes

    def _tensor(self, node: Node) -> StoredTensor:
        """The array of a variable, checked but not read."""
        key = node.key
        if key not in self._tensors:
            where = f"{self.where} {key}"
            entry = self._entries.get(key)
            if entry is None:
                raise broken(where, "an array of this key", "none in the index")
            dtype = _DTYPES.get(entry.dtype)
            if dtype is None:
                raise broken(where, "numbers", f"TensorFlow's type {entry.dtype}")
            stored = np.dtype("uint16" if dtype == "bfloat16" else dtype)
            if prod(entry.shape) * stored.itemsize != entry.size:
                got = f"{entry.size} bytes"
                raise broken(where, f"an array {entry.shape} of {dtype}", got)
            self._shard(entry, where)
            self._tensors[key] = StoredTensor(
                name=key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"),
                shape=entry.shape,
                dtype=dtype,
                read=lambda: self._read(entry, key, stored, dtype),
                variable=node.variable,
            )
        return self._tensors[key]

    def _read(
        self, entry: Entry, key: str, stored: np.dtype[Any], dtype: str
    ) -> np.ndarray[Any, Any]:
        data = self._bytes(entry, key, google_crc32c.value)
        array = np.frombuffer(data, stored.newbyteorder("<")).astype(stored, copy=False)
        if dtype == "bfloat16":
            # The upper half of a float32.
            array = (array.astype("uint32") << 16).view("float32")
        return array.reshape(entry.shape)

    def _shard(self, entry: Entry, where: str) -> Window:
        """The file of an entry, checked to be long enough."""
        if entry.shard >= self._shards:
            got = f"shard {entry.shard} of {self._shards}"
            raise broken(where, "an array in a shard", got)
        window = self._files[entry.shard]
        if entry.offset + entry.size > window.size:
            advice = "the file is cut short: fetch or save it again"
            name = self._names()[entry.shard]
            expected = f"{entry.offset + entry.size} bytes in {name}"
            raise broken(where, expected, str(window.size), advice)
        return window

    def _names(self) -> list[str]:
        """The files of the arrays."""
        count = self._shards
        return [f"{self._prefix}.data-{i:05}-of-{count:05}" for i in range(count)]

    def _bytes(self, entry: Entry, key: str, checksum: Any) -> bytes:
        """The bytes of an entry, checked against its checksum."""
        where = f"{self.where} {key}"
        data = self._shard(entry, where).at(entry.offset, entry.size)
        if masked(checksum(data)) != entry.checksum:
            advice = "the file is damaged: fetch or save it again"
            raise broken(where, "the bytes that its checksum names", "others", advice)
        return data


def _is_model(node: Node) -> bool:
    return any(map(_LAYER.fullmatch, node.children))


def _text_checksum(data: bytes) -> int:
    """The checksum of one text: over its length, in four or eight bytes, and its bytes.

    TensorFlow ``core/util/tensor_bundle/tensor_bundle.cc``, ``WriteStringTensor``.
    """
    size, start = varint(data, 0, "a text")
    width = 4 if size < 1 << 32 else 8
    checksum = google_crc32c.value(size.to_bytes(width, "little"))
    return int(google_crc32c.extend(checksum, data[start:]))


def _shards(table: Mapping[bytes, bytes], where: str) -> int:
    """The number of shards in the header."""
    header = Message(table.get(b"", b""), f"{where} header")
    if header.number(2):
        got = "most significant bytes first (big-endian)"
        raise broken(where, "numbers in little-endian order", got)
    shards = header.number(1)
    if not 1 <= shards <= MOST_SHARDS:
        raise broken(where, f"1 to {MOST_SHARDS} shards", str(shards))
    return shards


def _entry(data: bytes, where: str) -> Entry:
    message = Message(data, where)
    if message.all(7):
        raise UnsupportedModelError(
            f"{where}: a variable in several parts (partitioned), which this version "
            "does not join; load the model in TensorFlow, and save its weights with "
            'model.save_weights("model.h5")'
        )
    shape = [
        dimension.number(1)
        for shape in message.messages(2)
        for dimension in shape.messages(2)
    ]
    # NumPy multiplies the sizes of an array without elements too.
    if len(shape) > MOST_DIMENSIONS or prod(size or 1 for size in shape) >= 1 << 60:
        expected = f"a shape of at most {MOST_DIMENSIONS} axes that memory could hold"
        raise broken(where, expected, shown(shape))
    return Entry(
        dtype=message.number(1),
        shape=tuple(shape),
        shard=message.number(3),
        offset=message.number(4),
        size=message.number(5),
        checksum=int.from_bytes(message.data(6), "little"),
    )


def _check_places(entries: Iterable[Entry], where: str) -> None:
    """Refuse arrays that share bytes, which would multiply what is read."""
    free = (0, 0)
    for entry in sorted(entries, key=lambda own: (own.shard, own.offset, own.size)):
        if (entry.shard, entry.offset) < free:
            got = f"byte {entry.offset} of shard {entry.shard} for two"
            raise broken(where, "bytes of its own for each array", got)
        free = (entry.shard, entry.offset + entry.size)


def _nodes(graph: Message, where: str) -> list[Node]:
    """The objects of a graph, by number."""
    nodes: list[Node] = []
    keys: set[str] = set()
    children = 0
    for message in graph.messages(1):
        node = _node(message, where)
        children += len(node.children)
        if children > MOST_CHILDREN:
            raise broken(where, f"at most {MOST_CHILDREN} children", "more")
        if node.key in keys:
            got = f"{shown(node.key)} for two"
            raise broken(where, "an array of its own for each variable", got)
        if node.key:
            keys.add(node.key)
        nodes.append(node)
    if not nodes:
        raise broken(where, "objects", "none")
    return nodes


def _node(message: Message, where: str) -> Node:
    children: dict[str, int] = {}
    for child in message.messages(1):
        name = child.text(2)
        if name in children:
            raise broken(where, "attributes of different names", f"{shown(name)} twice")
        children[name] = child.number(1)
    for attribute in message.messages(2):
        if attribute.text(1) == "VARIABLE_VALUE":
            key, variable = attribute.text(3), attribute.text(2)
            if not (key + variable).isprintable():
                got = shown(key + variable)
                raise broken(where, "names of printable characters", got)
            return Node(children, key, variable)
    return Node(children, "", "")
