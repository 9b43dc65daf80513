"""Which array belongs to which layer: what does not fit is refused."""

import io
import zipfile

import h5py
import numpy as np
import pytest

import goldens
import gru2np
from exports import exported, refusal, refused
from goldens import FIXTURES
from legacy_models import saved, sequential
from shared_files import CASES, needs_cases

KERAS_3 = goldens.FIXTURES / "keras-3.15"
KERNELS = {
    "kernel:0": np.ones((3, 6), np.float32),
    "recurrent_kernel:0": np.ones((2, 6), np.float32),
    "bias:0": np.ones(6, np.float32),
}
GRU = ("GRU", {"name": "gru", "units": 2})


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ([], r"expected 1 layers with weights \(gru\), got 0"),
        ([("other", KERNELS)], "expected the weights of 'gru', got 'other'"),
        (
            [("gru", {"kernel:0": KERNELS["kernel:0"]})],
            r"expected 3 arrays \(gru/kernel, gru/recurrent_kernel, gru/bias\), got 1",
        ),
        (
            [("gru", {**KERNELS, "bias:0": np.ones((2, 6), np.float32)})],
            r"gru/bias: expected shape \(6,\), got \(2, 6\)",
        ),
        (
            [("gru", {**KERNELS, "bias:0": np.ones(6, np.int32)})],
            "expected floating point numbers, got int32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, arrays, text):
    error = refused(saved(tmp_path, sequential(GRU), arrays))
    assert isinstance(error, gru2np.ModelFileError)
    with pytest.raises(gru2np.ModelFileError, match=text):
        raise error


def test_arrays_that_another_layer_owns_are_refused(tmp_path):
    """Files since Keras 3.6 name the owner: two Dense layers, their groups swapped."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(KERAS_3 / "time_distributed_model" / "model.keras") as source:
        weights = io.BytesIO(source.read("model.weights.h5"))
        with h5py.File(weights, "r+") as file:
            group = file["layers/time_distributed_1/layer/layers"]
            group.move("dense", "other")
            group.move("dense_1", "dense")
            group.move("other", "dense_1")
        with zipfile.ZipFile(path, "w") as target:
            for name in ("metadata.json", "config.json"):
                target.writestr(name, source.read(name))
            target.writestr("model.weights.h5", weights.getvalue())
    with pytest.raises(gru2np.ModelFileError, match="got those of 'dense_2'"):
        gru2np.export(path, io.BytesIO())


@needs_cases
def test_weights_of_a_subclass_are_mapped_where_one_way_is_left():
    case = CASES / "subclass_weights"
    model, _ = exported(case / "a.json", weights=case / "m.weights.h5")
    with h5py.File(case / "m.weights.h5") as file:
        kernel = file["gru/cell/vars/0"][()]
    np.testing.assert_array_equal(model.weights["gru/kernel"], kernel)


def test_weights_of_a_subclass_that_leave_a_choice_are_refused(tmp_path):
    """Two arrays of equal shapes, below names that tell nothing."""
    case = FIXTURES / "keras-3.15" / "gru_json"
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("vars")
        for name in ("one", "two"):
            with h5py.File(case / "weights.h5") as stored:
                stored.copy("layers/gru/cell", file.create_group(name), "cell")
    said = refusal(case / "architecture.json", weights=tmp_path / "w.h5")
    assert "the file has arrays at one/cell/vars and two/cell/vars" in said
    assert "names and shapes do not show which layer each belongs to" in said
