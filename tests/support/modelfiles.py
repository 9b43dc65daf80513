"""Model files for tests: fixtures, and copies of them with one thing changed."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np

import gru2np
from goldens import FIXTURES, Golden
from gru2np.generations.releases import line


def fixture(case: str, name: str = "model.h5"):
    """The model file of a case such as ``keras-2.2/gru``."""
    return FIXTURES / case / name


def golden(case: str) -> Golden:
    """A case such as ``keras-2.2/gru``."""
    return Golden(FIXTURES / case)


def model_of(case: str):
    """The model file or folder of any case, without its weights."""
    return golden(case).files()[0]


def bundle_of(case: str, path):
    """The bundle of a case, written to this path."""
    gru2np.export(model_of(case), path)
    return path


def meaning_said(case: str) -> str:
    """What ``inspect`` says of the meaning of a case, as one text."""
    return "\n".join(gru2np.inspect(fixture(case)).meaning)


def recorded(case: str):
    """Inputs and outputs of the first call of a case."""
    with np.load(FIXTURES / case / "io.npz") as data:
        inputs = [data[key] for key in data.files if key.startswith("call0.x")]
        outputs = [data[key] for key in data.files if key.startswith("call0.y")]
    return inputs, outputs


def changed(case: str, path, edit):
    """A copy of a legacy model whose architecture went through ``edit``."""
    shutil.copy(fixture(case), path)
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        config = json.loads(text)
        edit(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


def with_class(case: str, path, layer: str, class_name: str, **options):
    """A copy of a legacy Sequential model, one layer of it of another class."""

    def edit(config):
        layers = config["config"]
        for spec in layers["layers"] if isinstance(layers, dict) else layers:
            if spec["config"]["name"] == layer:
                spec["class_name"] = class_name
                spec["config"].update(options)

    return changed(case, path, edit)


def with_weight(case: str, path, number: float):
    """A copy of a legacy model, the first number of its first weight replaced."""
    shutil.copy(fixture(case), path)
    with h5py.File(path, "r+") as file:
        items = []
        file["model_weights"].visititems(lambda _, item: items.append(item))
        array = next(item for item in items if isinstance(item, h5py.Dataset))
        array[(0,) * array.ndim] = number
    return path


def without_weights(case: str, path):
    """A copy of a legacy model that has lost the weights of its first layer."""
    shutil.copy(fixture(case), path)
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        group = weights[weights.attrs["layer_names"][0]]
        group.attrs["weight_names"] = group.attrs["weight_names"][:0]
    return path


def with_keys(spec, name: str = "keras-2", version: str = "2.2.4"):
    """A copy of an architecture with all keys that a release always writes.

    A layer without them would be taken for one of its author's own.
    """
    if isinstance(spec, list):
        return [with_keys(item, name, version) for item in spec]
    if not isinstance(spec, dict):
        return spec
    copy = {key: with_keys(item, name, version) for key, item in spec.items()}
    own, config = copy.get("class_name"), copy.get("config")
    (release,) = line(name).named(version)
    known = line(name).classes(release)
    if isinstance(own, str) and own in known and isinstance(config, dict):
        for key, default in known[own].always.items():
            config.setdefault(key, default[0] if default else None)
    return copy
