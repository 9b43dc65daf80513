"""Every rule of docs/bundle.md: a bundle that breaks it is refused, and says why."""

import copy
import io
import json
import struct
import zipfile

import numpy as np
import pytest

import goldens
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    encode_manifest,
    npy_header,
    read_array,
    read_members,
)


@pytest.fixture(scope="module")
def bundle():
    return goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru").bundle()


@pytest.fixture(scope="module")
def manifest(bundle):
    return json.loads(bytes(read_members(bundle)[MANIFEST]))


def written(bundle, manifest=None, *, drop=(), more=(), text=None):
    """The bundle again, its members changed, written by the rules."""
    out = io.BytesIO()
    writer = Writer(out)
    members = read_members(bundle)
    last = members.pop(MANIFEST)
    for name, data in members.items():
        if name not in drop:
            writer.add(name, data)
    for name, data in more:
        writer.add(name, data)
    if text is None:
        text = bytes(last) if manifest is None else encode_manifest(manifest)
    writer.add(MANIFEST, text)
    writer.close()
    return out.getvalue()


def test_numpy_opens_it(bundle, manifest):
    with np.load(io.BytesIO(bundle), allow_pickle=False) as data:
        names = [name for name in data.files if name != MANIFEST]
        layers = manifest["graph"]["layers"]
        assert len(names) == sum(len(layer["weights"]) for layer in layers.values())
        assert all(data[name].dtype == np.float32 for name in names)
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None


def test_every_array_is_aligned(bundle):
    whole = np.frombuffer(bundle, np.uint8).ctypes.data
    for member in read_members(bundle).values():
        data = np.frombuffer(member, np.uint8).ctypes.data
        assert (data - whole) % 64 == 0


def test_load_takes_bytes_paths_and_files(bundle, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(bundle)
    assert str(load(path)) == str(load(bundle)) == str(load(io.BytesIO(bundle)))


def test_weights_cannot_be_written_to(bundle):
    weights = load(bundle).layers[0].weights
    assert not any(array.flags.writeable for array in weights.values())


def test_rewriting_changes_nothing(bundle, manifest):
    assert written(bundle, manifest) == bundle


@pytest.mark.parametrize("size", [0, 1, 21, 22, 100, -1, -22, -500])
def test_a_file_cut_off_is_refused(bundle, size):
    with pytest.raises(BundleError):
        load(bundle[:size])


def test_something_behind_the_end_is_refused(bundle):
    with pytest.raises(BundleError, match="after its end"):
        load(bundle + b"\0")


def test_something_before_the_beginning_is_refused(bundle):
    with pytest.raises(BundleError, match="expected a gru2np bundle"):
        load(b"\0" + bundle)


def test_any_damaged_byte_is_refused(bundle):
    """A byte changed anywhere is found: by a rule, by the manifest or by CRC."""
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(bundle), 400):
        damaged = bytearray(bundle)
        damaged[position] ^= 1 << rng.integers(8)
        with pytest.raises(BundleError):
            load(bytes(damaged))


def test_a_deflated_member_is_refused(bundle):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in read_members(bundle).items():
            archive.writestr(name, bytes(data))
    with pytest.raises(BundleError, match="stored, no encryption"):
        load(out.getvalue())


def test_a_plain_npz_is_refused(tmp_path):
    path = tmp_path / "plain.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(BundleError):
        load(path)


def test_a_member_twice_is_refused(bundle):
    name = next(iter(read_members(bundle)))
    twice = written(bundle, more=[(name, bytes(read_members(bundle)[name]))])
    with pytest.raises(BundleError, match="two members are named"):
        load(twice)


def test_a_missing_weight_is_refused(bundle):
    name = next(iter(read_members(bundle)))
    with pytest.raises(BundleError, match="is missing: the manifest names it"):
        load(written(bundle, drop=[name]))


def test_a_member_too_many_is_refused(bundle):
    with pytest.raises(BundleError, match=r"'extra\.npy' is not in the manifest"):
        load(written(bundle, more=[("extra.npy", b"")]))


def test_a_pickled_array_is_refused(bundle):
    """Nothing is ever unpickled: a header must be the one the manifest gives."""
    name = next(iter(read_members(bundle)))
    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match="as the manifest says"):
        load(written(bundle, drop=[name], more=[(name, file.getvalue())]))


def test_a_huge_declared_shape_allocates_nothing(bundle, manifest):
    changed = copy.deepcopy(manifest)
    weights = first_layer(changed)["weights"]
    weights["kernel"]["shape"] = [2**31, 2**31]
    with pytest.raises(BundleError, match="expected shape"):
        load(written(bundle, changed))


def first_layer(manifest):
    return next(iter(manifest["graph"]["layers"].values()))


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


def test_the_directory_must_say_what_the_headers_say(bundle):
    """A size that differs between the two places is refused, whichever is right."""
    start = struct.unpack_from("<L", bundle, len(bundle) - 6)[0]
    changed = bytearray(bundle)
    size = struct.unpack_from("<L", changed, start + 20)[0]
    struct.pack_into("<L", changed, start + 20, size + 1)
    with pytest.raises(BundleError):
        load(bytes(changed))


@pytest.mark.parametrize(("limit", "value"), [("MAX_BYTES", 100), ("MAX_MEMBERS", 1)])
def test_a_bundle_that_outgrows_the_format_is_not_written(monkeypatch, limit, value):
    monkeypatch.setattr(f"gru2np_runtime.bundle.container.{limit}", value)
    writer = Writer(io.BytesIO())
    writer.add("a", b"")
    with pytest.raises(BundleError, match="member 'b' exceeds it"):
        writer.add("b", bytes(100))


def test_a_name_that_outgrows_the_format_is_not_written():
    """Every letter of a layer's name that is not ASCII takes six bytes in a path."""
    writer = Writer(io.BytesIO())
    writer.add("a" * 65535)
    with pytest.raises(BundleError, match=r"names of at most 65535 bytes .* got 65536"):
        writer.add("b" * 65536)


SIZES = ([0, 2**31], [2**70, 0], [0] * 33, [0] * 30_000)


@pytest.mark.parametrize("sizes", SIZES, ids=["many", "more", "axes", "most axes"])
def test_a_size_of_zero_hides_no_others(sizes):
    """A member of a few bytes cannot say that it has rows without end."""
    member = memoryview(npy_header("float32", (0, 1)))
    with pytest.raises(BundleError, match="32 axes and, sizes of 0 taken as 1"):
        read_array(member, "x.npy", "float32", sizes)


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**400])
def test_whole_numbers_have_64_bits(bundle, manifest, number):
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
