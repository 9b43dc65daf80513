"""Upgraded fixtures, and what is in ``.keras`` files."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np

from gru2np.convert import convert
from gru2np.upgrading.core import upgraded
from modelfiles import golden


@contextmanager
def converted(case: str):
    """The conversion of a case such as ``keras-2.2/gru``."""
    about = golden(case)
    model, weights = about.files()
    with convert(model, weights, saved_by=about.saved_by) as conversion:
        yield conversion


def upgraded_file(case: str):
    """The file that a case becomes, and the draft of it."""
    with converted(case) as conversion:
        return upgraded(conversion)


def config_of(data):
    """The architecture in a file, by its path or its bytes."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("config.json"))


def layers_of(data):
    """The records of the layers of the outermost model, by name."""
    layers = config_of(data)["config"]["layers"]
    return {layer["config"]["name"]: layer for layer in layers}


def arrays_of(data):
    """The variables in a file, by path."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    found = {}
    with zipfile.ZipFile(file) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: np.array(item)})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found
