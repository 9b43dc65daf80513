"""A container that breaks a rule of docs/bundle.md is refused, with the reason."""

import copy
import io
import struct
import zipfile

import numpy as np
import pytest

from bundle_edits import first_layer, written
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    npy_header,
    read_array,
    read_members,
)


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


def test_load_supports_bytes_paths_and_files(bundle, tmp_path):
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
    with pytest.raises(BundleError, match="expected a bundle"):
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
