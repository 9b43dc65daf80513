"""Bundles with a fault planted in each: legal ones, which load and run."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys

import numpy as np

import gru2np
from gru2np.verification.keras_process import environment
from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    encode_manifest,
    read_members,
)
from gru2np_runtime.bundle.opening import read_bundle


def attribute(name, value):
    """Give an attribute of the layer another value."""

    def edit(graph, arrays, path):
        attributes = graph["layers"][path]["attributes"]
        assert attributes[name] != value
        attributes[name] = value

    return edit


def planted(data, path, edit):
    """The bundle with one fault, written as any bundle is."""
    manifest = json.loads(bytes(read_members(data)[MANIFEST]))
    _, arrays = read_bundle(data)
    arrays = {name: np.array(array) for name, array in arrays.items()}
    graph = copy.deepcopy(manifest["graph"])
    edit(graph, arrays, path)
    out = io.BytesIO()
    writer = Writer(out)
    for name, array in arrays.items():
        writer.add_array(name, np.ascontiguousarray(array))
    writer.add(MANIFEST, encode_manifest({**manifest, "graph": graph}))
    writer.close()
    return out.getvalue()


def bundles_of(model, faults, folder):
    """Paths of the honest bundle and of one for each fault."""
    honest = folder / "honest.npz"
    gru2np.export(model, honest)
    paths = [honest]
    for number, (path, edit, _) in enumerate(faults.values()):
        paths.append(folder / f"fault{number}.npz")
        paths[-1].write_bytes(planted(honest.read_bytes(), path, edit))
    return paths


def saved_by_keras(script, path):
    """The model that a script builds and saves, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", script, path],
        env=environment(path.parent),
        check=True,
        capture_output=True,
    )
    return path


def scaled(name, factor):
    """A weight of the layer, all of it so many times as large."""

    def edit(graph, arrays, path):
        arrays[f"{path}/{name}"] *= np.float32(factor)

    return edit
