"""The arrays of ``get_weights()`` in an .npz, and an architecture dumped as text."""

import json

import h5py
import numpy as np

from exports import assert_same_weights, exported, refusal
from goldens import FIXTURES

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
