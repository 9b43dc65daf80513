"""What ``inspect`` says of weights without an architecture."""

import numpy as np
import pytest

import gru2np
from goldens import FIXTURES

CHECKPOINT = FIXTURES / "tf-2.10" / "mixed_stack_checkpoint"


@pytest.mark.parametrize(
    ("path", "container"),
    [
        (CHECKPOINT / "checkpoint", "checkpoint"),
        (CHECKPOINT / "checkpoint" / "weights", "checkpoint"),
        (FIXTURES / "keras-3.15" / "gru_json" / "weights.h5", "weights.h5"),
        (FIXTURES / "keras-2.2" / "weights_for_cudnn" / "weights.h5", "hdf5"),
    ],
)
def test_owners_shapes_and_ways_on(path, container):
    report = gru2np.inspect(path)
    assert (report.kind, report.convertible) == ("weights", False)
    assert report.source["container"] == container
    assert any("GRU(" in owner.looks_like for owner in report.owners)
    text = str(report)
    assert "without an architecture" in text
    assert "model.to_json()" in text


def test_a_list_is_cut_where_layers_end(tmp_path):
    shapes = [(3, 12), (4, 12), (2, 12), (4, 5), (5,), (7, 7, 7, 7, 7)]
    np.savez(tmp_path / "w.npz", *map(np.zeros, shapes))
    report = gru2np.inspect(tmp_path / "w.npz")
    assert [(owner.path, owner.looks_like) for owner in report.owners] == [
        ("arr_0 to arr_2", "GRU(4, reset_after=True), 3 features"),
        ("arr_3 to arr_4", "Dense(5), 4 features"),
        ("arr_5", ""),
    ]
