"""A manifest that breaks a rule of docs/bundle.md is refused, with the reason."""

import copy

import pytest

from bundle_edits import first_layer, written
from gru2np_runtime import BundleError, load


def change(path, value):
    """A change of the manifest: the value put at a path of keys."""

    def apply(manifest):
        *keys, last = path
        target = manifest
        for key in keys:
            target = first_layer(manifest) if key == "LAYER" else target[key]
        if value is DELETED:
            del target[last]
        else:
            target[last] = value

    return apply


DELETED = object()
LONG = "a" * 64
BROKEN = {
    "no format": (["format"], DELETED, r"expected `gru2np` - at `\$.format`"),
    "newer version": (["version"], 999, "update gru2np"),
    "version zero": (["version"], 0, r"at least 1 - at `\$.version`"),
    "version no int": (
        ["version"],
        "1",
        r"expected `int`, got `str` - at `\$.version`",
    ),
    "unknown key": (["surprise"], 1, r"unknown key - at `\$.surprise`"),
    "no source": (["source"], DELETED, r"got nothing - at `\$.source`"),
    "source": (
        ["source", "saved_by"],
        DELETED,
        r"at `\$.source.saved_by`",
    ),
    "source no text": (
        ["source", "backend"],
        1,
        r"expected `str or null`, got `int`",
    ),
    "source unknown": (["source", "more"], None, r"unknown key - at `\$.source.more`"),
    "part": (["part"], [], r"expected `object`, got `array` - at `\$.part`"),
    "part names": (
        ["part"],
        {"inputs": [1], "outputs": []},
        r"expected strings - at `\$.part.inputs`",
    ),
    "part of nothing": (
        ["part"],
        {"inputs": [], "outputs": []},
        r"expected a tensor - at `\$.part`",
    ),
    "part unknown": (
        ["part"],
        {"inputs": ["x"], "outputs": [], "more": 1},
        r"unknown key - at `\$.part.more`",
    ),
    "custom": (["custom"], [], r"expected `object`, got `array` - at `\$.custom`"),
    "custom unused": (
        ["custom"],
        {"Own": {"kind": "layer", "per_step": None}},
        r"'Own' is used nowhere - at `\$.custom\['Own'\]`",
    ),
    "custom kind": (
        ["custom"],
        {"Own": {"kind": "loss", "per_step": None}},
        "expected one of layer, cell, function",
    ),
    "custom per step": (
        ["custom"],
        {"Own": {"kind": "layer", "per_step": True}},
        r"expected `null`, got `bool` - at `\$.custom\['Own'\].per_step`",
    ),
    "custom function": (
        ["custom"],
        {"own": {"kind": "function", "per_step": 1}},
        r"expected `bool or null`, got `int`",
    ),
    "custom more": (
        ["custom"],
        {"Own": {"kind": "cell", "per_step": None, "more": 1}},
        "unknown key",
    ),
    "custom unnamed": (["LAYER", "op"], "custom>Own", "to name 'Own' as a layer or a"),
    "no graph": (["graph"], DELETED, r"got nothing - at `\$.graph`"),
    "kind": (["inputs", "kind"], "tuple", "expected one of one, list, dict"),
    "names": (["inputs", "names"], ["a", "b"], "expected 1 different names"),
    "shape": (["graph", "inputs", 0, "shape"], [None, "3"], r"shape\[1\]`"),
    "negative": (["graph", "inputs", 0, "shape"], [None, -3], r"shape\[1\]`"),
    "dtype": (["graph", "inputs", 0, "dtype"], "object", "expected one of bool"),
    "no such node": (["graph", "nodes", 0, "inputs"], [["x", 0]], "is not before it"),
    "no output": (["graph", "nodes", 0, "inputs"], [["x", -1]], "output number"),
    "reference": (["graph", "nodes", 0, "inputs"], ["x"], "output number"),
    "no layer": (["graph", "nodes", 0, "layer"], "nothing", "no layer 'nothing'"),
    "op": (["LAYER", "op"], "os.system", "unknown op `os.system`"),
    "attribute type": (
        ["LAYER", "attributes", "units"],
        "4",
        r"expected int for 'units', got '4' - at `\$.graph.layers",
    ),
    "attribute value": (["LAYER", "attributes", "units"], 0, "expected at least 1"),
    "bool is no int": (["LAYER", "attributes", "units"], True, "expected int"),
    "attribute unknown": (["LAYER", "attributes", "colour"], 1, "unknown attribute"),
    "attribute missing": (["LAYER", "attributes", "units"], DELETED, "is missing"),
    "activation": (["LAYER", "attributes", "activation"], "eval", "unknown activation"),
    "weight shape": (["LAYER", "weights", "kernel", "shape"], [1, 1], "expected shape"),
    "weight dtype": (["LAYER", "weights", "kernel", "dtype"], "O", "one of float16"),
    "weight missing": (["LAYER", "weights", "kernel"], DELETED, "is missing"),
    "weight hash": (["LAYER", "weights", "kernel", "sha256"], "x", "name or hash"),
    "weight unknown": (
        ["LAYER", "weights", "other"],
        {"shape": [1], "dtype": "float32", "sha256": LONG},
        "belongs to no layer",
    ),
    "path": (["graph", "layers", "../up"], {"op": "x"}, r"illegal path `\.\./up`"),
    "output shape": (["graph", "outputs", 0, "shape"], [None, 99], "expected shape"),
    "output source": (["graph", "outputs", 0, "source"], ["x", 0], "no node"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_manifest_is_refused(bundle, manifest, rule):
    path, value, message = BROKEN[rule]
    changed = copy.deepcopy(manifest)
    change(path, value)(changed)
    with pytest.raises(BundleError, match=message):
        load(written(bundle, changed))


TEXTS = {
    "not json": (b"{", "is not JSON"),
    "key twice": (b'{"format": "gru2np", "format": "gru2np"}', "stands twice"),
    "nan": (b'{"version": NaN}', "it stands as a string"),
    "deep": (b"[" * 100_000, "is not JSON"),
    "no object": (b"[]", r"expected `object`, got `array` - at `\$`"),
    "bytes": (b"\xff\xfe", "is not JSON"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_manifest_that_is_no_manifest_is_refused(bundle, case):
    text, message = TEXTS[case]
    with pytest.raises(BundleError, match=message):
        load(written(bundle, text=text))


def test_layers_nested_without_end_are_refused(bundle, manifest):
    changed = copy.deepcopy(manifest)
    layer = {"op": "time_distributed", "attributes": {}, "weights": {}}
    for _ in range(60):
        layer = {**layer, "layers": {"layer": layer}}
    name = next(iter(changed["graph"]["layers"]))
    changed["graph"]["layers"][name] = layer
    with pytest.raises(BundleError, match="nested too deep"):
        load(written(bundle, changed))


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**400])
def test_integers_have_64_bits(bundle, manifest, number):
    changed = copy.deepcopy(manifest)
    name = next(iter(changed["graph"]["layers"]))
    changed["graph"]["layers"][name]["attributes"]["units"] = number
    with pytest.raises(BundleError, match="expected int of 64 bits for 'units'"):
        load(written(bundle, changed))


def test_a_number_that_no_float_holds_is_refused(bundle, manifest):
    changed = copy.deepcopy(manifest)
    attributes = {"scale": [10**400], "offset": [0.0]}
    layer = {"op": "rescaling", "attributes": attributes, "weights": {}}
    name = next(iter(changed["graph"]["layers"]))
    changed["graph"]["layers"][name] = layer
    with pytest.raises(BundleError, match="expected number of 64 bits for 'scale'"):
        load(written(bundle, changed))
