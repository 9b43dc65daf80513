"""The arrays of ``get_weights()`` in an .npz, and an architecture dumped as text."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from exports import assert_same_weights, exported, refusal
from goldens import FIXTURES
from small_models import CONFIG

HDF5 = FIXTURES / "tf-2.10" / "mixed_stack" / "model.h5"


def arrays_of(path):
    """What ``get_weights`` gives, in its order."""
    with h5py.File(path) as file:
        top = file["model_weights"]
        for layer in top.attrs["layer_names"]:
            for name in top[layer].attrs["weight_names"]:
                yield top[layer][name][()]


def test_a_list_of_arrays_and_an_architecture_dumped_as_text(tmp_path):
    """``np.savez(path, *get_weights())``, ``json.dump(model.to_json())``."""
    with h5py.File(HDF5) as file:
        config = json.loads(file.attrs["model_config"])
        versions = {key: file.attrs[key] for key in ("keras_version", "backend")}
    text = json.dumps(json.dumps({**config, **versions}))
    (tmp_path / "a.json").write_text(text)
    weights = list(arrays_of(HDF5))
    np.savez(tmp_path / "w.npz", *weights)
    assert_same_weights(
        exported(tmp_path / "a.json", weights=tmp_path / "w.npz")[0], exported(HDF5)[0]
    )
    np.savez(tmp_path / "less.npz", *weights[:-1])
    less = refusal(tmp_path / "a.json", weights=tmp_path / "less.npz")
    assert f"expected {len(weights)} arrays" in less
    np.savez(tmp_path / "p.npz", np.array([{}], object))
    pickled = refusal(tmp_path / "a.json", weights=tmp_path / "p.npz")
    assert "expected an array of numbers, got pickled objects" in pickled


# NumPy reads what is no literal of Python as its tokens, which fails in other ways.
@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,",
        "x\n    y\n  z",
        "{'descr': '<f4', 'fortran_order': False, 'shape': '''(2, 3), }",
        "(" * 500,
    ],
)
def test_a_header_that_is_no_literal_is_refused(header, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CONFIG))
    size = len(header).to_bytes(2, "little")
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        data = b"\x93NUMPY\1\0" + size + header.encode() + bytes(24)
        archive.writestr("arr_0.npy", data)
    said = refusal(tmp_path / "a.json", weights=tmp_path / "w.npz")
    assert "w.npz member arr_0.npy: cannot be read" in said
