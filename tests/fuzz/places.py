"""Model files of every container, each with one document that is changed.

What is around it is made anew: checksums, sizes and signatures are right, so that a
change is not refused at the door.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

import checkpoint_writer as writer
import goldens
import small_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Files = dict[str, bytes]
    Change = Callable[[bytes], bytes]


class Place(NamedTuple):
    """A document of a model.

    Attributes:
        name: of the model and the document.
        kind: of ``mutation.KINDS``.
        data: the document as it is.
        files: the files of the model, with another document there.
        model: the path of the model among them.
        weights: the path of its weights, where they are given.
    """

    name: str
    kind: str
    data: bytes
    files: Callable[[bytes], Files]
    model: str
    weights: str | None = None


KINDS = {".json": "json", ".pb": "protobuf"}
# Inputs and outputs of a case are no part of its model.
BESIDE = ("case.json", "io.npz")
CASES = (
    *("keras-1.0-theano/merge_branches", "keras-1.2-theano/conv_lstm"),
    *("keras-2.0/bidirectional", "keras-2.1-cntk/stateful", "keras-2.2/gru_json"),
    *("keras-2.3/mask_concatenate_two", "keras-3.3/bidirectional"),
    *("keras-3.5/mixed_stack", "keras-3.10/bidirectional_shards", "keras-3.10/gru"),
    *("keras-3.15/dict_inputs", "keras-3.15/functions", "keras-3.15/slicing"),
    *("keras-3.15/nested_sequential_shards", "tf-1.13/masking_gru", "tf-2.4/trained"),
    *("tf-1.15/own_function_of_later_name", "tf-2.0/trained_savedmodel"),
    *("tf-2.10/bidirectional_tfjs", "tf-2.12/shared_layers_checkpoint"),
    *("tf-2.13/nested_twice", "tf-2.15/dict_outputs", "tf-keras-2.21/gru"),
)


def kind_of(name: str) -> str:
    """The kind of a document by its name."""
    return KINDS.get(name[name.rfind(".") :], "bytes")


def of_cases() -> Iterator[Place]:
    """Every document of some fixtures."""
    for case in CASES:
        yield from of_case(goldens.Golden(goldens.FIXTURES / case))


def of_case(golden: goldens.Golden) -> Iterator[Place]:
    """Every document of a fixture."""
    files = {
        path.relative_to(golden.folder).as_posix(): path.read_bytes()
        for path in sorted(golden.folder.rglob("*"))
        if path.is_file() and path.name not in BESIDE
    }
    model, weights = (
        None if path is None else path.relative_to(golden.folder).as_posix()
        for path in golden.files()
    )
    assert model is not None
    for name, data in files.items():
        for inner, kind, own, around in _documents(name, data):

            def whole(
                changed: bytes, name: str = name, around: Change = around
            ) -> Files:
                return {**files, name: around(changed)}

            yield Place(f"{golden.name} {inner}", kind, own, whole, model, weights)


def _documents(name: str, data: bytes) -> Iterator[tuple[str, str, bytes, Change]]:
    """Name, kind and bytes of each document in a file, and the file around another."""
    yield name, kind_of(name), data, lambda changed: changed
    if data.startswith(b"PK"):
        members = _members(data)
        for own, inside in members.items():

            def zipped(changed: bytes, own: str = own) -> bytes:
                return _zip({**members, own: changed})

            yield f"{name}/{own}", kind_of(own), inside, zipped
    if data.startswith(b"\x89HDF"):
        with h5py.File(io.BytesIO(data)) as file:
            config = file.attrs.get("model_config")
        if config is not None:

            def attribute(changed: bytes) -> bytes:
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as file:
                    # HDF5 has no text with a zero byte inside.
                    text = changed.replace(b"\0", b" ").decode("utf-8", "replace")
                    file.attrs["model_config"] = text
                return buffer.getvalue()

            text = config if isinstance(config, bytes) else config.encode()
            yield f"{name} model_config", "json", text, attribute


def _members(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(members: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def small() -> Iterator[Place]:
    """Containers of a small model that is written without Keras."""
    members = small_models.members()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = _zip(members, method)
        yield _alone(f"archive {method}", archive, "model.keras")
    yield from _folder("folder", members, "model")
    plain = _zip(members)
    yield _alone("gzip", gzip.compress(plain, mtime=0), "model.keras.gz")
    yield Place(
        "gzip inside",
        "bytes",
        plain,
        lambda changed: {"model.gz": gzip.compress(changed, mtime=0)},
        "model.gz",
    )
    yield _alone("archive in an archive", _zip({"a/model.keras": plain}), "model.zip")
    architecture = {"architecture.json": json.dumps(small_models.CONFIG).encode()}
    buffer = io.BytesIO()
    np.savez(buffer, small_models.KERNEL, small_models.BIAS)
    arrays = buffer.getvalue()
    given = ("architecture.json", "weights.npz")
    yield Place(
        "list of arrays",
        "bytes",
        arrays,
        lambda changed: {**architecture, "weights.npz": changed},
        *given,
    )
    yield Place(
        "first of a list of arrays",
        "bytes",
        _members(arrays)["arr_0.npy"],
        lambda changed: {
            **architecture,
            "weights.npz": _zip({**_members(arrays), "arr_0.npy": changed}),
        },
        *given,
    )


def hdf5() -> Iterator[Place]:
    """Whole HDF5 files, as bytes."""
    for place in of_cases():
        if place.data.startswith(b"\x89HDF"):
            yield place
    architecture = {"architecture.json": json.dumps(small_models.CONFIG).encode()}
    for name, write in (
        ("weights by path", small_models.write_paths),
        ("weights by dependencies", small_models.write_dependencies),
        ("weights by groups", small_models.write_groups),
    ):
        yield Place(
            name,
            "bytes",
            small_models.weights_bytes(write),
            lambda changed: {**architecture, "weights.h5": changed},
            "architecture.json",
            "weights.h5",
        )
    for version in ("earliest", "latest"):
        for packed in ({}, {"chunks": (1, 3), "compression": "gzip"}):
            data = _hdf5(version, packed)
            name = f"model as of the {version} HDF5{', in chunks' * bool(packed)}"
            yield _alone(name, data, "model.h5")


def _hdf5(version: str, packed: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=version) as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps(small_models.CONFIG)
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = np.array([b"d"])
        group = top.create_group("d")
        group.attrs["weight_names"] = np.array([b"d/kernel:0", b"d/bias:0"])
        group.create_dataset("d/kernel:0", data=small_models.KERNEL, **packed)
        group["d/bias:0"] = small_models.BIAS
    return buffer.getvalue()


def protobuf() -> Iterator[Place]:
    """The messages of a SavedModel and of the graph of its objects."""
    for place in of_cases():
        if place.kind == "protobuf":
            yield place
    for name, files in (
        ("saved model", writer.saved_model()),
        ("old saved model", writer.old_saved_model()),
    ):
        for place in _folder(name, files, "model"):
            if place.kind == "protobuf":
                yield place
    nodes = writer.objects(writer.ARRAYS)
    nodes[0].children.append(("root", 0))
    graph = writer.encoded_graph(nodes)
    yield _drafted(
        "object graph", graph, lambda data: writer.changed(graph=lambda _: data)
    )
    index = writer.pb(1, 1) + writer.pb(3, writer.pb(1, 1))
    yield _drafted("header", index, lambda data: writer.changed(header=data))


def _drafted(name: str, data: bytes, draft: Callable[[bytes], writer.Draft]) -> Place:
    """A message of a checkpoint, whose index and checksums are made anew."""

    def files(changed: bytes) -> Files:
        made = writer.saved_model(draft(changed))
        return {f"model/{own}": inside for own, inside in made.items()}

    return Place(name, "protobuf", data, files, "model")


def index() -> Iterator[Place]:
    """The index of a checkpoint: as a file, by blocks, and by entries."""
    shards = writer.saved_model(writer.changed(shards=2))
    for place in _folder("shards", shards, "model"):
        if "variables/" in place.name:
            yield place
    items: writer.Items = []
    writer.saved_model(writer.changed(items=items.extend))
    name = "variables/variables.index"
    honest = writer.saved_model()

    def around(made: Callable[[bytes], bytes]) -> Callable[[bytes], Files]:
        def files(changed: bytes) -> Files:
            inside = {**honest, name: made(changed)}
            return {f"model/{own}": data for own, data in inside.items()}

        return files

    block = writer.block(items)
    yield Place("block of entries", "bytes", block, around(writer.table), "model")
    sealed = writer.sealed(block)
    listed = writer.block([(b"\xff", writer.handle(0, len(block)))])

    def list_of_blocks(changed: bytes) -> bytes:
        footer = writer.handle(0, 0) + writer.handle(len(sealed), len(changed))
        end = footer[:40].ljust(40, b"\0") + writer.FOOTER_MAGIC
        return sealed + writer.sealed(changed) + end

    yield Place("list of blocks", "bytes", listed, around(list_of_blocks), "model")
    for number, (key, value) in enumerate(items):

        def entry(changed: bytes, number: int = number, key: bytes = key) -> bytes:
            edited = [*items]
            edited[number] = key, changed
            return writer.table(writer.block(edited))

        said = key.decode() or "header"
        yield Place(f"entry {said}", "protobuf", value, around(entry), "model")
    architecture = {"architecture.json": json.dumps(small_models.CONFIG).encode()}
    for own, data in writer.save_weights().items():

        def beside(changed: bytes, own: str = own) -> Files:
            files = {**writer.save_weights(), own: changed}
            inside = {f"weights/{name}": data for name, data in files.items()}
            return {**architecture, **inside}

        yield Place(
            f"checkpoint {own}", "bytes", data, beside, "architecture.json", "weights"
        )


def _folder(name: str, files: Files, model: str) -> Iterator[Place]:
    """Every document of a folder."""
    for own, data in files.items():

        def whole(changed: bytes, own: str = own) -> Files:
            inside = {**files, own: changed}
            return {f"{model}/{name}": data for name, data in inside.items()}

        yield Place(f"{name} {own}", kind_of(own), data, whole, model)


def _alone(name: str, data: bytes, model: str) -> Place:
    """A model that is one file, as bytes."""
    return Place(name, "bytes", data, lambda changed: {model: changed}, model)


def containers() -> Iterator[Place]:
    """Every container; of HDF5 the architecture, for ``hdf5`` has its bytes."""
    for place in (*of_cases(), *small()):
        if not place.data.startswith(b"\x89HDF"):
            yield place
