"""What HDF5 takes from elsewhere is listed, and not opened."""

from __future__ import annotations

from contextlib import ExitStack

import h5py
import numpy as np
import pytest

from gru2np.errors import ModelFileError
from gru2np.readers.safe import hdf5_outside
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.hdf5_outside import outside
from gru2np.readers.safe.window import Window


def found(path):
    with ExitStack() as stack:
        window = Window(stack.enter_context(path.open("rb")))
        return list(outside(SafeHdf5(window, path.name, stack)))


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_everything_at_once(version, tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["a/own"] = np.zeros(3)
        file["a/packed"] = np.zeros(3)
        file.create_dataset("a/gzip", data=np.zeros(9), chunks=(3,), compression=4)
        file["a/soft"] = h5py.SoftLink("/a/own")
        file["a/round"] = file["a"]
        file["b/other"] = h5py.ExternalLink("other.h5", "/x")
        file.create_dataset("b/raw", (3,), "f4", external=[("raw.bin", 0, 12)])
        layout = h5py.VirtualLayout((6,), "f4")
        layout[:3] = h5py.VirtualSource("v.h5", "x", (3,))
        layout[3:] = h5py.VirtualSource(".", "a/own", (3,))
        file.create_virtual_dataset("b/virtual", layout)
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((3,))
        creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file["b"].id, b"z", h5py.h5t.IEEE_F32LE, space, creation)
    listed = sorted((one.kind, one.place, one.text) for one in found(path))
    assert [one[:2] for one in listed] == [
        ("filter", "/b/z"),
        ("link", "/b/other"),
        ("link", "/b/raw"),
        ("link", "/b/virtual"),
    ]
    for (*_, text), name in zip(
        listed, ["32015", "other.h5", "raw.bin", "v.h5"], strict=True
    ):
        assert name in text


def test_too_many_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_outside, "MOST_NAMES", 3)
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        for number in range(4):
            file[str(number)] = number
    with pytest.raises(ModelFileError, match="at most 3 names"):
        found(path)
