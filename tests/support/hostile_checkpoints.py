"""SavedModel folders, checkpoints and packed models that attack a reader."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import checkpoint_writer as writer
from attack import Attack
from checkpoint_writer import (
    GRAPH,
    ROOT,
    Node,
    block,
    changed,
    closed,
    handle,
    meta_graph,
    metadata,
    pb,
    record,
    save_weights,
    saved_model,
    sealed,
    table,
    varint,
)
from gru2np.errors import UnsupportedModelError
from small_models import CONFIG, KERNEL, write_h5

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Build = Callable[[Path], Path]
    Items = list[tuple[bytes, bytes]]

KEY = "layer-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
_INDEX = "variables/variables.index"
_DATA = "variables/variables.data-00000-of-00001"
_HUGE = 1 << 62
_MANY = 300_000

# Honest ones, edited


def saved(edit: Callable[[Path], None] | None = None, **edits: Any) -> Build:
    """A SavedModel with stages of its writing edited, or its folder after it."""

    def build(above: Path) -> Path:
        write_h5(above / "canary.h5")
        path = writer.write(above / "model", saved_model(changed(**edits)))
        if edit is not None:
            edit(path)
        return path

    return build


def entry(name: str = KEY, **fields: Any) -> Build:
    """A SavedModel with fields of one entry of its index changed."""

    def edit(entries: dict[str, writer.Entry]) -> None:
        for field, value in fields.items():
            setattr(entries[name], field, value)

    return saved(entries=edit)


def item(key: bytes, value: bytes) -> Build:
    """A SavedModel with one more entry in its index."""
    return saved(items=lambda items: items.append((key, value)) or items.sort())


def index(data: Callable[[Items], bytes]) -> Build:
    """A SavedModel with another index."""
    return saved(index=data)


def nodes(edit: Callable[[list[Node]], Any]) -> Build:
    """A SavedModel with other objects."""
    return saved(nodes=edit)


def child(name: str, number: int, parent: int = 0) -> Build:
    """A SavedModel in which an object has one more child."""
    return nodes(lambda nodes: nodes[parent].children.append((name, number)))


def graph(data: bytes) -> Build:
    """A SavedModel with another object graph."""
    return saved(graph=lambda honest: data)


def files(**given: bytes | None) -> Build:
    """A SavedModel with some files changed or left out; ``__`` stands for a dot."""

    def edit(honest: dict[str, bytes]) -> None:
        for name, data in given.items():
            honest[name.replace("__", ".")] = data or b""
            if data is None:
                del honest[name.replace("__", ".")]

    return saved(files=edit)


def keras(root: Any = ROOT, kind: str = "_tf_keras_sequential") -> Build:
    """A SavedModel of which Keras says something else."""
    return files(keras_metadata__pb=metadata(root, kind))


def saved_pb(data: bytes) -> Build:
    """A SavedModel of TensorFlow 2.4 with another ``saved_model.pb``."""
    return files(keras_metadata__pb=None, saved_model__pb=data)


# The index


def _swapped(items: Items) -> bytes:
    return table(block([items[0], *items[:0:-1]]))


def _flipped(items: Items) -> bytes:
    data = bytearray(table(block(items)))
    data[9] ^= 1
    return bytes(data)


def _far_list(size: int) -> Callable[[Items], bytes]:
    def build(items: Items) -> bytes:
        data = sealed(block(items))
        return closed(data, [(b"\xff", handle(0, size))])

    return build


def _footer(data: bytes) -> Callable[[Items], bytes]:
    return lambda items: table(block(items))[:-48] + data.ljust(40, b"\0") + _MAGIC


_MAGIC = writer.FOOTER_MAGIC


def _one_block_often(items: Items) -> bytes:
    """A list that names one large block without entries again and again."""
    empty = bytes(8 << 20) + ((2 << 20) + 0).to_bytes(4, "little")
    data = sealed(empty)
    listed = [(b"%08d" % i, handle(0, len(empty))) for i in range(10_000)]
    return closed(data, listed)


def _growing_keys(items: Items) -> bytes:
    """Keys that share a megabyte with the one before, a byte each in the file."""
    parts = [record(b"", items[0][1]), record(b"k" * (1 << 20), b"")]
    for number in range(50_000):
        tail = number.to_bytes(3, "big")
        parts.append(varint(1 << 20) + varint(3) + varint(0) + tail)
    whole = b"".join(parts) + bytes(4) + (1).to_bytes(4, "little")
    return table(whole)


def _many_entries(items: Items) -> bytes:
    return _raw(*(record(b"z%07d" % i, b"") for i in range(_MANY)))(items)


def _raw(*records: bytes, restarts: int = 1) -> Callable[[Items], bytes]:
    """A block of these records behind the honest ones."""

    def build(items: Items) -> bytes:
        honest = b"".join(record(*own) for own in items)
        end = bytes(4) + restarts.to_bytes(4, "little")
        return table(honest + b"".join(records) + end)

    return build


_TABLES = {
    "empty index": Attack(index(lambda items: b""), "expected the footer of an index"),
    "index without a footer": Attack(
        index(lambda items: bytes(99)), "expected the footer of an index, got none"
    ),
    "index larger than any": Attack(
        saved(lambda path: os.truncate(path / _INDEX, 3 << 30)), "expected at most"
    ),
    "list of blocks beyond the end": Attack(
        index(_footer(handle(0, 8) + handle(_HUGE, 8))), "got the end"
    ),
    "footer of long varints": Attack(
        index(_footer(b"\x80" * 11)), "expected a varint of at most 64 bits, got none"
    ),
    "block beyond the end": Attack(index(_far_list(_HUGE)), "expected a block at"),
    "block over the footer": Attack(index(_far_list(500)), "expected a block at"),
    "block listed again and again": Attack(
        index(_one_block_often), "expected blocks one behind the other"
    ),
    "changed block": Attack(index(_flipped), "expected the bytes that its checksum"),
    "block in Snappy": Attack(
        index(lambda items: table(block(items), compression=1)), "got Snappy"
    ),
    "block in something": Attack(
        index(lambda items: table(block(items), compression=77)), "got kind 77"
    ),
    "keys out of order": Attack(index(_swapped), "expected keys in order, each once"),
    "key twice": Attack(
        index(lambda items: table(block([*items, items[-1]]))), "expected keys in order"
    ),
    "key twice in two blocks": Attack(
        index(lambda items: table(block(items), block(items))), "expected keys in order"
    ),
    "restarts beyond the block": Attack(
        index(lambda items: table(block(items, 1 << 31))), "expected a block of entries"
    ),
    "restarts over the entries": Attack(
        index(lambda items: table(block(items, 40))), "expected an entry inside its"
    ),
    "block of no bytes": Attack(index(lambda items: table(b"")), "a block of entries"),
    "shared prefix longer than the key": Attack(
        index(_raw(varint(99999) + varint(1) + varint(0) + b"z")), "expected an entry"
    ),
    "key beyond the block": Attack(
        index(_raw(varint(0) + varint(_HUGE) + varint(0) + b"z")), "expected an entry"
    ),
    "value beyond the block": Attack(
        index(_raw(varint(0) + varint(1) + varint(_HUGE) + b"z")), "expected an entry"
    ),
    "varint of eleven bytes": Attack(
        index(_raw(b"\xff" * 10 + b"\1")), "expected a varint"
    ),
    "number of more than 64 bits": Attack(
        index(_raw(b"\xff" * 9 + b"\x7f" + bytes(9))), "expected a varint"
    ),
    "keys that grow": Attack(index(_growing_keys), "bytes of keys"),
    "many entries": Attack(index(_many_entries), "entries, got more"),
    "key of no text": Attack(item(b"\xff\xfe", b""), "codec can't decode"),
}

# The header and the entries


def _slices(entries: dict[str, writer.Entry]) -> None:
    entries[KEY].more = pb(7, pb(1, pb(1, 0) + pb(2, 1)))


def _header(data: bytes) -> Build:
    return saved(header=data)


_ENTRIES = {
    "big-endian": Attack(_header(pb(1, 1) + pb(2, 1)), "got most significant bytes"),
    "no shards in the header": Attack(_header(pb(1, 0)), "shards, got 0"),
    "2**40 shards": Attack(_header(pb(1, 1 << 40)), "shards, got 1099511627776"),
    "more shards than there are": Attack(
        _header(pb(1, 7)), "expected a file variables/variables.data-0000"
    ),
    "negative shards": Attack(_header(pb(1, -1)), "shards, got 18446744073709551615"),
    "header as text": Attack(_header(pb(1, b"1")), "expected a number, got bytes"),
    "header cut short": Attack(_header(b"\x08"), "expected a varint"),
    "entry of a group": Attack(item(b"z", b"\x0b"), "got wire type 3"),
    "entry of wire type 7": Attack(item(b"z", b"\x0f"), "got wire type 7"),
    "entry of field 0": Attack(item(b"z", b"\x00\x00"), "got field 0"),
    "entry cut short": Attack(item(b"z", b"\x12\x7f"), "127 bytes of field 2, got the"),
    "entry with fixed bytes cut short": Attack(item(b"z", b"\x35\0\0"), "field 6, got"),
    "shape as a number": Attack(item(b"z", pb(2, 3)), "expected bytes, got a number"),
    "shape that does not fit": Attack(
        entry(shape=(2, 4)), "an array (2, 4) of float32"
    ),
    "negative dimension": Attack(entry(shape=(-2, -3)), "expected a shape"),
    "huge dimension": Attack(entry(shape=(_HUGE, 4)), "a shape of at most 32"),
    "huge and no dimension": Attack(
        entry(shape=(0, _HUGE, _HUGE), size=0), "expected a shape"
    ),
    "a hundred axes": Attack(entry(shape=(1,) * 100), "at most 32 axes"),
    "wrong size": Attack(entry(size=8), "got 8 bytes"),
    "huge size": Attack(
        entry(shape=(1 << 48,), size=1 << 50), "expected bytes of its own"
    ),
    "negative size": Attack(entry(size=-24), "expected bytes of its own"),
    "array beyond its shard": Attack(
        entry(offset=1 << 40), "expected 1099511627800 bytes in variables/variables.da"
    ),
    "negative offset": Attack(entry(offset=-8), "bytes in variables/variables.data"),
    "array over another": Attack(entry(offset=4), "expected bytes of its own"),
    "array over the object graph": Attack(
        entry(GRAPH, offset=0), "expected bytes of its own"
    ),
    "shard beyond": Attack(entry(shard=1), "expected an array in a shard, got shard 1"),
    "negative shard": Attack(entry(shard=-1), "expected an array in a shard"),
    "wrong checksum": Attack(entry(checksum=7), f"{KEY}: expected the bytes that its"),
    "wrong checksum of the graph": Attack(
        entry(GRAPH, checksum=7), "expected the bytes that its checksum names"
    ),
    "array of texts": Attack(entry(dtype=7), "expected numbers, got TensorFlow's type"),
    "array of complex numbers": Attack(entry(dtype=8), "got TensorFlow's type 8"),
    "array of an unknown type": Attack(entry(dtype=9999), "got TensorFlow's type 9999"),
    "object graph of numbers": Attack(entry(GRAPH, dtype=1), "expected a text of at"),
    "object graphs in a row": Attack(entry(GRAPH, shape=(1,)), "expected a text of at"),
    "huge object graph": Attack(entry(GRAPH, size=1 << 50), "expected a text of at"),
    "partitioned variable": Attack(
        saved(entries=_slices), "(partitioned)", UnsupportedModelError
    ),
    "checkpoint of TensorFlow 1": Attack(
        saved(entries=lambda entries: entries.pop(GRAPH)),
        "a checkpoint of TensorFlow 1",
        UnsupportedModelError,
    ),
}

# The files of arrays


def _changed_data(path: Path) -> None:
    data = bytearray((path / _DATA).read_bytes())
    data[5] ^= 1
    (path / _DATA).write_bytes(data)


def _shard(make: Callable[[Path], Any]) -> Build:
    """A SavedModel whose shard is something else."""

    def edit(path: Path) -> None:
        (path / _DATA).unlink()
        make(path / _DATA)

    return saved(edit)


def _pipe(path: Path) -> None:
    # Not everywhere are there pipes by name; a directory is no file either.
    getattr(os, "mkfifo", os.mkdir)(path)


def _link_to_pipe(path: Path) -> None:
    _pipe(path.with_name("pipe"))
    path.symlink_to("pipe")


def _second_shard(path: Path) -> None:
    first = path / "variables/variables.data-00000-of-00002"
    second = path / "variables/variables.data-00001-of-00002"
    second.unlink()
    os.link(first, second)


_SHARDS = {
    "changed array": Attack(saved(_changed_data), "expected the bytes that its checks"),
    "no shard": Attack(
        _shard(lambda path: None), f"expected a file {_DATA}, got no su"
    ),
    "one shard of two": Attack(
        saved(
            shards=2,
            files=lambda all: all.pop("variables/variables.data-00001-of-00002"),
        ),
        "expected a file variables/variables.data-00001-of-00002, got no such file",
    ),
    "shard cut short": Attack(
        saved(lambda path: os.truncate(path / _DATA, 20)), "the file is cut short"
    ),
    "pipe as shard": Attack(_shard(_pipe), "got something that is no regular file"),
    "link to a pipe as shard": Attack(_shard(_link_to_pipe), "that is no regular file"),
    "device as shard": Attack(
        _shard(lambda path: path.symlink_to("/dev/zero")), "that is no regular file"
    ),
    "link to another file as shard": Attack(
        _shard(lambda path: path.symlink_to("/etc/passwd")), "OBJECT_GRAPH: expected"
    ),
    "link to nowhere as shard": Attack(
        _shard(lambda path: path.symlink_to("nowhere")), "got no such file"
    ),
    "link to itself as shard": Attack(
        _shard(lambda path: path.symlink_to(path.name)), "got no such file"
    ),
    "index as shard": Attack(
        _shard(lambda path: path.symlink_to("variables.index")),
        "expected a file of its own",
    ),
    "two shards of one file": Attack(
        saved(_second_shard, shards=2), "expected a file of its own"
    ),
    "pointer as shard": Attack(
        _shard(lambda path: path.write_text("version https://git-lfs.github.com/")),
        "got a Git LFS pointer",
    ),
}

# Objects


def _key(nodes: list[Node]) -> None:
    nodes[2].key = "nowhere"


def _same_key(nodes: list[Node]) -> None:
    nodes[3].key = nodes[2].key


def _beside(nodes: list[Node]) -> None:
    first = Node(nodes[0].children)
    nodes[0].children = [("model", len(nodes)), ("ema", len(nodes) + 1)]
    nodes.extend([first, Node([("layer-0", 1)])])


def _terminal(nodes: list[Node]) -> None:
    nodes[2].variable = "dense/kernel\x1b[2J\nall is well"


_OBJECTS = {
    "name that writes to the terminal": Attack(
        nodes(_terminal), "expected names of printable characters"
    ),
    "no objects": Attack(graph(b""), "object graph: expected objects, got none"),
    "no model": Attack(
        nodes(lambda nodes: nodes[0].children.clear()), "got none among []"
    ),
    "two models": Attack(nodes(_beside), "got several among ['ema', 'model']"),
    "child that is nowhere": Attack(child("layer-1", 99), "got number 99 of 4"),
    "negative child": Attack(child("layer-1", -1), "got number 18446744073709551615"),
    "two children of one name": Attack(
        child("kernel", 3, 1),
        "expected attributes of different names, got 'kernel' twice",
    ),
    "two layers of one number": Attack(
        child("layer-0", 2), "attributes of different names"
    ),
    "key of no array": Attack(nodes(_key), "expected an array of this key, got none"),
    "one array of two variables": Attack(
        nodes(_same_key), "expected an array of its own for each variable"
    ),
    "graph of another kind": Attack(graph(b"\x0f"), "got wire type 7"),
    "objects as numbers": Attack(graph(pb(1, 3)), "expected bytes, got a number"),
    "name that is no text": Attack(graph(pb(1, pb(1, pb(2, b"\xff")))), "can't decode"),
    "many objects": Attack(graph(pb(1, b"") * 1_000_000), "fields, got more"),
    "many children": Attack(
        graph(pb(1, b"".join(pb(1, pb(2, f"{i:x}")) for i in range(_MANY)))),
        "fields, got more",
    ),
    "many children of several": Attack(
        graph(
            pb(1, b"".join(pb(1, pb(2, f"{i:x}")) for i in range(50_000))) * 5,
        ),
        "children, got more",
    ),
}

# What Keras says


def _deep(levels: int) -> bytes:
    inner = b"[" * levels + b"]" * levels
    return b'{"class_name":"Sequential","config":' + inner + b"}"


_SUBCLASS = {"class_name": "MyModel", "config": {}}
_UNSAID = {
    "class_name": "My",
    "name": "my",
    "config": {"layer was saved without config": True},
}
_PARTLY = {**ROOT, "config": {"name": "m", "layers": [_UNSAID]}}

_METADATA = {
    "deep metadata": Attack(keras(_deep(5000)), "got 5001 levels"),
    "large metadata": Attack(keras(b'"' + b"y" * (9 << 20) + b'"'), "at most"),
    "list as metadata": Attack(keras([1]), "expected a JSON object, got list"),
    "no metadata of the model": Attack(
        keras(b""), "without keras_metadata.pb", UnsupportedModelError
    ),
    "metadata of something else": Attack(keras({"a": 1}), "expected a Keras archi"),
    "class that is a number": Attack(keras({**ROOT, "class_name": 3}), "expected a Ke"),
    "layers that are none": Attack(keras({**ROOT, "config": "x"}), "expected a Keras"),
    "version that is a number": Attack(
        keras({**ROOT, "keras_version": 2}), "expected the version of Keras as text"
    ),
    "metadata in a string": Attack(
        keras(json.dumps(json.dumps(ROOT)).encode()), "a JSON object, got str"
    ),
    "subclassed model": Attack(
        keras(_SUBCLASS, "_tf_keras_model"), "is a subclass", UnsupportedModelError
    ),
    "layer without options": Attack(keras(_PARTLY), "'my'", UnsupportedModelError),
    "layer alone": Attack(
        keras(CONFIG, "_tf_keras_layer"), "got a layer saved", UnsupportedModelError
    ),
    "no Keras in it": Attack(
        files(keras_metadata__pb=None),
        "a SavedModel without a Keras model",
        UnsupportedModelError,
    ),
    "empty metadata": Attack(
        files(keras_metadata__pb=b""),
        "a SavedModel without a Keras model",
        UnsupportedModelError,
    ),
    "large file of metadata": Attack(
        saved(lambda path: os.truncate(path / "keras_metadata.pb", 3 << 30)),
        "keras_metadata.pb: expected at most 2147483648 bytes, got 3221225472",
    ),
    "metadata cut short": Attack(files(keras_metadata__pb=b"\x0a\x7f"), "got the end"),
    "many objects in the metadata": Attack(
        files(keras_metadata__pb=pb(1, b"") * _MANY), "fields, got more"
    ),
}


def _old(record: bytes) -> bytes:
    return pb(1, 1) + meta_graph(pb(7, record), version="2.4.4")


_SAVED = {
    "no saved_model.pb": Attack(
        files(saved_model__pb=b""), "expected one graph, got 0"
    ),
    "two graphs": Attack(
        files(saved_model__pb=meta_graph() + meta_graph()), "expected one graph, got 2"
    ),
    "graph beyond the end": Attack(
        files(saved_model__pb=b"\x12" + varint(_HUGE) + b"x"), "got the end"
    ),
    "zeros as saved_model.pb": Attack(
        saved(lambda path: os.truncate(path / "saved_model.pb", 3 << 30)),
        "saved_model.pb: expected at most 2147483648 bytes, got 3221225472",
    ),
    "fewer zeros": Attack(
        saved(lambda path: os.truncate(path / "saved_model.pb", 1 << 30)), "got field 0"
    ),
    "many fields": Attack(
        files(saved_model__pb=pb(1, 1) * 1_000_000), "fields, got more"
    ),
    "many fields in the graph": Attack(
        files(saved_model__pb=pb(2, pb(3, b"") * 1_000_000)), "fields, got more"
    ),
    "version that is no text": Attack(
        files(saved_model__pb=pb(2, pb(1, pb(5, b"\xff")))), "codec can't decode"
    ),
    "two lists of objects": Attack(
        saved_pb(meta_graph(pb(7, b""), pb(7, b""))), "expected one list of objects"
    ),
    "metadata lost on the way": Attack(
        saved_pb(_old(pb(1, pb(4, pb(1, "_tf_keras_sequential"))))),
        "a SavedModel without keras_metadata.pb",
        UnsupportedModelError,
    ),
    "objects of another kind": Attack(saved_pb(_old(b"\x0f")), "got wire type 7"),
    "first object no model": Attack(
        saved_pb(_old(pb(1, b"") + pb(1, pb(4, pb(1, "_tf_keras_sequential"))))),
        "a SavedModel without a Keras model",
        UnsupportedModelError,
    ),
    "huge first object": Attack(
        saved_pb(_old(pb(1, bytes(40 << 20)))), "expected at most"
    ),
}

# Packed models


def _packed(name: str, data: Callable[[], bytes]) -> Build:
    def build(above: Path) -> Path:
        (above / name).write_bytes(data())
        return above / name

    return build


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _zip(given: Callable[[], dict[str, bytes]]) -> Build:
    return _packed("model.zip", lambda: zipped(given()))


def _gz(given: Callable[[], bytes]) -> Build:
    return _packed("model.h5.gz", lambda: gzip.compress(given(), 9))


def _in(folder: str, given: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in given.items()}


def _damaged_gz() -> bytes:
    data = bytearray(gzip.compress(KERNEL.tobytes()))
    data[-6] ^= 1
    return bytes(data)


_HDF5 = b"\x89HDF\r\n\x1a\n"

_PACKED = {
    "zip with two models": Attack(
        _zip(lambda: {**_in("a", saved_model()), **_in("b", saved_model())}),
        "expected one Keras model, got an archive of 2",
    ),
    "zip with a model and a file": Attack(
        _zip(lambda: {**saved_model(), "x/model.h5": _HDF5}), "got an archive of 2"
    ),
    "zip in a zip": Attack(
        _zip(lambda: {"a.h5": zipped({"b.h5": _HDF5})}), "; unpack it first"
    ),
    "zip in a zip called .zip": Attack(
        _zip(lambda: {"a.zip": zipped({"b.h5": _HDF5})}), "a zip archive of"
    ),
    "gz in a zip": Attack(
        _zip(lambda: {"a.h5": gzip.compress(_HDF5)}), "; unpack it first"
    ),
    "shard that swells in a zip": Attack(
        _zip(lambda: {**saved_model(), _DATA: bytes(200 << 20)}),
        "at most 100 times its packed size",
    ),
    "index that swells in a zip": Attack(
        _zip(lambda: {**saved_model(), _INDEX: bytes(200 << 20)}),
        "at most 100 times its packed size",
    ),
    "zip without a shard": Attack(
        _zip(lambda: {n: d for n, d in saved_model().items() if n != _DATA}),
        f"expected a member {_DATA}",
    ),
    "thousands of models in a zip": Attack(
        _packed(
            "model.zip",
            lambda: zipped({f"{i:05}/config.json": b"" for i in range(9000)}),
        ),
        "a zip archive of",
    ),
    "gz that swells": Attack(_gz(lambda: bytes(200 << 20)), "bytes unpacked, got more"),
    "gz in a gz": Attack(_gz(lambda: gzip.compress(_HDF5)), "; unpack it first"),
    "gz of JSON": Attack(_gz(lambda: json.dumps(CONFIG).encode()), "; unpack it first"),
    "gz of an archive of tar": Attack(
        _gz(lambda: bytes(257).replace(b"\0", b"a") + b"ustar\x0000" + bytes(600)),
        "got a tar archive",
    ),
    "gz cut short": Attack(
        _packed("m.gz", lambda: gzip.compress(os.urandom(999))[:-9]), "gzip archive, go"
    ),
    "gz with a wrong checksum": Attack(_packed("m.gz", _damaged_gz), "cannot be read"),
    "two gz in one": Attack(
        _packed("m.gz", lambda: gzip.compress(_HDF5) + gzip.compress(_HDF5)),
        "expected one gzip archive, got more bytes behind it",
    ),
    "gz of nothing": Attack(_gz(lambda: b""), "got an empty file"),
}

ATTACKS = {
    **_TABLES,
    **_ENTRIES,
    **_SHARDS,
    **_OBJECTS,
    **_METADATA,
    **_SAVED,
    **_PACKED,
}

# Given as --weights


def checkpoint(path: str = "", edit: Any = None, **edits: Any) -> Build:
    """A folder of ``save_weights``, named by a path in it."""

    def build(above: Path) -> Path:
        write_h5(above / "canary.h5")
        folder = writer.write(above / "model", save_weights(changed(**edits)))
        if edit is not None:
            edit(folder)
        return folder / path

    return build


def _newest(data: bytes) -> Build:
    """A folder whose ``checkpoint`` says something else."""
    return checkpoint(edit=lambda folder: (folder / "checkpoint").write_bytes(data))


def _named(prefix: str) -> Build:
    return _newest(f'model_checkpoint_path: "{prefix}"\n'.encode())


def _canary(folder: Path) -> None:
    """A whole checkpoint beside the folder, and a ``checkpoint`` that names it."""
    writer.write(folder.parent / "canary", save_weights(prefix="other"))
    (folder / "checkpoint").write_text('model_checkpoint_path: "../canary/other"')


_PREFIX = "checkpoint: expected the prefix of a checkpoint beside it, got "

WEIGHTS = {
    "newest beside the folder": Attack(checkpoint(edit=_canary), f"{_PREFIX}'other'"),
    "newest that climbs": Attack(_named("../../x"), f"{_PREFIX}'x'"),
    "newest above": Attack(_named(".."), f"{_PREFIX}'..'"),
    "newest at a root": Attack(_named("/etc/passwd"), f"{_PREFIX}'passwd'"),
    "newest on a drive": Attack(_named("C:\\\\x\\\\y"), f"{_PREFIX}'y'"),
    "newest of no name": Attack(_named(""), _PREFIX),
    "newest that is gone": Attack(_named("weights-7"), f"{_PREFIX}'weights-7'"),
    "newest with NUL": Attack(_named("x\0y"), _PREFIX),
    "newest of a long name": Attack(_named("x" * 5000), "checkpoint: cannot be read"),
    "newest of no text": Attack(_newest(b"\xff\xfe"), _PREFIX),
    "newest of nothing": Attack(_newest(b""), _PREFIX),
    "huge file of the newest": Attack(
        checkpoint(edit=lambda folder: os.truncate(folder / "checkpoint", 3 << 30)),
        "member checkpoint: expected at most 1048576 bytes",
    ),
    "pipe as the newest": Attack(
        checkpoint(
            edit=lambda folder: (
                (folder / "checkpoint").unlink(),
                _pipe(folder / "checkpoint"),
            )
        ),
        "expected a file, got a directory",
    ),
    "prefix of no name": Attack(checkpoint(".index"), "no such file"),
    "prefix that is not there": Attack(checkpoint("weights-7"), "no such file"),
    "prefix with NUL": Attack(checkpoint("x\0y"), "cannot be"),
    "shard without an index": Attack(
        checkpoint(
            "weights.data-00000-of-00001",
            edit=lambda folder: (folder / "weights.index").unlink(),
        ),
        "expected a file weights.index",
    ),
    "checkpoint without a shard": Attack(
        checkpoint(files=lambda all: all.pop("weights.data-00000-of-00001")),
        "expected a file weights.data-00000-of-00001, got no such file",
    ),
    "checkpoint of two models": Attack(checkpoint(nodes=_beside), "got several"),
    "changed array of a checkpoint": Attack(
        checkpoint(entries=lambda entries: setattr(entries[KEY], "checksum", 1)),
        "expected the bytes that its checksum names",
    ),
}
