"""Bundles with a proof, put together by the rules of docs/bundle.md alone."""

from __future__ import annotations

import copy
import hashlib
import io
import json

import numpy as np

from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    encode_manifest,
    read_members,
)


def opened(bundle):
    """The manifest, and the other members by name."""
    members = dict(read_members(bundle))
    return json.loads(bytes(members.pop(MANIFEST))), members


def written(manifest, members):
    """A bundle of these; arrays are written as such."""
    out = io.BytesIO()
    writer = Writer(out)
    for name, member in members.items():
        if isinstance(member, np.ndarray):
            writer.add_array(name.removesuffix(".npy"), member)
        else:
            writer.add(name, bytes(member))
    writer.add(MANIFEST, encode_manifest(manifest))
    writer.close()
    return out.getvalue()


def record_of(array):
    """The manifest's record of an array."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"shape": list(array.shape), "dtype": array.dtype.name, "sha256": digest}


def proved(bundle, x, y, *, allowed=2e-4, calls=1):
    """The bundle with one case: inputs and outputs in the model's order."""
    manifest, members = opened(bundle)
    case = {
        "name": "given",
        "description": "what Keras gave",
        "calls": calls,
        "inputs": {},
        "outputs": {},
    }
    for kind, arrays in (("inputs", x), ("outputs", y)):
        for i, name in enumerate(manifest[kind]["names"]):
            array = arrays[i].astype(manifest["graph"][kind][i]["dtype"])
            case[kind][name] = record_of(array)
            members[f"proof#0/{kind}/{name}.npy"] = array
            if kind == "outputs":
                case[kind][name].update(largest_difference=0.0, allowed=allowed)
    manifest["proof"] = {
        "reference": "Keras 0 (tensorflow 0)",
        "runtime": "gru2np_runtime 0, kernel numpy",
        "seed": None,
        "cases": [case],
    }
    return written(manifest, members)


def golden_proved(golden, **options):
    """A fixture's bundle with what Keras gave in its first call."""
    x, y = golden.arrays(0, "x"), golden.arrays(0, "y")
    return proved(golden.bundle(), x, y, **options)


def first_weight(manifest):
    """The record of a weight: that of the first layer that has one."""
    layers = manifest["graph"]["layers"].items()
    path, layer = next((k, own) for k, own in layers if own["weights"])
    name = sorted(layer["weights"])[0]
    return f"{path}/{name}", layer["weights"][name]


def another_weight(bundle):
    """A bundle whose first weight is another one, all hashes as they should be."""
    manifest, members = opened(bundle)
    manifest = copy.deepcopy(manifest)
    path, record = first_weight(manifest)
    stored = np.load(io.BytesIO(bytes(members[f"{path}.npy"])))
    members[f"{path}.npy"] = stored + stored.dtype.type(1)
    record["sha256"] = record_of(members[f"{path}.npy"])["sha256"]
    return written(manifest, members)
