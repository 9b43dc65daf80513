"""A model file and its bundle, in a folder of the test."""

import pytest

import gru2np
from modelfiles import fixture


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(fixture("keras-2.2/get_weights_explained").read_bytes())
    return path


@pytest.fixture
def bundle(model):
    gru2np.export(model, model.with_suffix(".npz"))
    return model.with_suffix(".npz")
