"""Bundles are opened where they are: mapped, or read once."""

import sys

import numpy as np
import pytest

import goldens
from gru2np_runtime import BundleError, load


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "get_weights_explained")
    path = tmp_path_factory.mktemp("start") / "gru.npz"
    path.write_bytes(golden.bundle())
    return path


def owner(array):
    """The object whose memory an array uses."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


@pytest.mark.parametrize("mapped", [False, True])
def test_weights_lie_where_the_bundle_is(bundle, mapped):
    """Not copied, not writable, and given as they are in the file."""
    model = load(bundle, mapped=mapped)
    expected = load(bundle.read_bytes())
    for path, array in model.weights.items():
        assert type(owner(array)).__name__ == ("mmap" if mapped else "bytes")
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, expected.weights[path])
    x = np.ones((2, 3, 1), np.float32)
    np.testing.assert_array_equal(model.predict(x), expected.predict(x))


def test_a_mapped_bundle_may_be_replaced(bundle, tmp_path):
    """As export replaces it: another file takes its name."""
    if sys.platform == "win32":
        pytest.skip("Windows lets nobody replace a file in use")
    path, other = tmp_path / "model.npz", tmp_path / "other"
    path.write_bytes(bundle.read_bytes())
    model = load(path, mapped=True)
    other.write_bytes(bytes(1000))
    other.replace(path)
    for array, expected in zip(model.weights.values(), load(bundle).weights.values()):
        np.testing.assert_array_equal(array, expected)


def test_a_bundle_that_was_read_may_be_overwritten(bundle, tmp_path):
    """As ``cp`` does it, in place: what is not mapped does not change."""
    path = tmp_path / "model.npz"
    path.write_bytes(bundle.read_bytes())
    model = load(path)
    with path.open("r+b") as file:
        file.truncate(100)
    x = np.ones((2, 3, 1), np.float32)
    np.testing.assert_array_equal(model.predict(x), load(bundle).predict(x))


def test_a_damaged_bundle_is_refused_when_mapped(bundle, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[len(data) // 3] ^= 1
    path = tmp_path / "damaged.npz"
    for damaged in (data, data[:500], b""):
        path.write_bytes(damaged)
        with pytest.raises(BundleError):
            load(path, mapped=True)


def test_what_cannot_be_mapped_is_read(bundle, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no mapping here")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert load(bundle, mapped=True).count_params() == load(bundle).count_params()
    with bundle.open("rb") as file:
        assert load(file, mapped=True).input_names == ["input_layer"]


def test_a_file_open_for_text_is_refused(bundle):
    with (
        bundle.open(encoding="latin-1") as file,
        pytest.raises(BundleError, match="open for bytes; reading it gave str"),
    ):
        load(file)
