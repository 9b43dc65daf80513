"""Upgraded fixtures, and what is in ``.keras`` files."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from gru2np.convert import convert
from gru2np.errors import UnsupportedModelError
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


def upgraded_model(path):
    """The file that a model file becomes, and the draft of it."""
    with convert(path) as conversion:
        return upgraded(conversion)


def refusal_of(case: str):
    """The error with which a case is refused."""
    with pytest.raises(UnsupportedModelError) as caught:
        upgraded_file(case)
    return caught.value


def old_weights(case: str):
    """The weights of a case as gru2np reads them, by path."""
    with converted(case) as conversion:
        return {path: conversion.array(path) for path in conversion.tensors}


def sources_of(record):
    """The tensors that each call of a layer reads: layer, call and output."""
    return [list(_tensors(node)) for node in record["inbound_nodes"]]


def mask_of(record, call: int = 0):
    """The layer whose output is the mask argument of a call; None if it has none."""
    mask = record["inbound_nodes"][call]["kwargs"].get("mask")
    return mask and mask["config"]["keras_history"][0]


def _tensors(value):
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield tuple(value["config"]["keras_history"])
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
