"""Random models, held to be the same however their TensorFlow saved them."""

from __future__ import annotations

import io

import numpy as np

import gru2np
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import graph_record

CONTAINERS = ("hdf5", "savedmodel", "json+checkpoint")
FILES = {
    "hdf5": ("model.h5", None),
    "savedmodel": ("model", None),
    "json+checkpoint": ("architecture.json", "checkpoint"),
}


def exported(folder, container):
    """The model in a folder of that container; None where gru2np refuses it."""
    model, weights = FILES[container]
    out = io.BytesIO()
    try:
        gru2np.export(
            folder / model, out, weights=None if weights is None else folder / weights
        )
    except (gru2np.ModelFileError, gru2np.UnsupportedModelError):
        return None
    return load(out.getvalue())


def judge(folder):
    """Whether the model of a folder was compared, one for each container.

    Raises AssertionError where two containers differ: in a layer, a call, or one bit
    of a weight.
    """
    models = [exported(folder / name, name) for name in CONTAINERS]
    first = models[0]
    if first is None:
        assert models == [None] * len(CONTAINERS), f"{folder}: refused in one container"
        return False
    for name, model in zip(CONTAINERS, models, strict=True):
        assert model is not None, f"{folder}: refused as {name}"
        assert record(model) == record(first), f"{folder}: another graph as {name}"
        assert model.weights.keys() == first.weights.keys()
        for path, weight in first.weights.items():
            same = model.weights[path].tobytes() == weight.tobytes()
            assert same, f"{folder}: {path} differs as {name}"
            assert np.isfinite(weight).all()
    return True


def record(model):
    """Layers and calls of a model, as its manifest has them."""
    return graph_record(model.graph, lambda _path: {})
