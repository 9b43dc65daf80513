"""HDF5 that attacks a reader."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from attack import Attack
from gru2np.errors import UnsupportedModelError
from small_models import (
    BIAS,
    KERNEL,
    members,
    weights_bytes,
    write_groups,
    write_h5,
    write_paths,
    write_zip,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def keras(edit: Callable[[h5py.File], None]) -> Callable[[Path], Path]:
    """A ``.keras`` archive after an edit of its weights."""

    def write(file: h5py.File) -> None:
        write_paths(file)
        edit(file)

    def build(folder: Path) -> Path:
        changed = members(model__weights__h5=weights_bytes(write))
        return write_zip(folder / "model.keras", changed)

    return build


# What is wrong


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


def _two_lists(file: h5py.File) -> None:
    file["_layer_checkpoint_dependencies/dense/vars/0"] = KERNEL


def _two_of_one_name(file: h5py.File) -> None:
    file.move("layers", "_layer_checkpoint_dependencies")
    for name in ("dense_2", "dense_1_1"):
        file[f"_layer_checkpoint_dependencies/{name}/vars/0"] = KERNEL


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


ATTACKS = {
    # what leads out of the file
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
    # what is not there, or more than once
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
    # Other things than expected
    "layers by their old and new names": Attack(
        keras(_two_lists), "expected one list of layers"
    ),
    "two layers of one name": Attack(
        keras(_two_of_one_name), "by its position in its class, got 'dense_2' and"
    ),
    "undecodable link": Attack(keras(_undecodable_link), "codec can't decode"),
    "undecodable layer name": Attack(
        attribute("model_weights", "layer_names", np.array([b"bad\xff"])),
        "codec can't decode",
    ),
    "strange variable": Attack(
        keras(lambda file: file["layers/dense/vars"].create_group("vocabulary")),
        "expected the arrays 0 to 2, got 'vocabulary'",
    ),
}
