"""A file that is no bundle: what it is, and the command that is meant."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from gru2np_runtime import BundleError, load


def zipped(*names):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return memory.getvalue()


def saved(save, *arguments):
    memory = io.BytesIO()
    save(memory, *arguments)
    return memory.getvalue()


FILES = {
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5, .* gru2np export {} writes its"),
    "keras": (
        zipped("metadata.json", "config.json", "model.weights.h5"),
        "a .keras file: gru2np export {} writes its bundle",
    ),
    "arrays": (
        saved(np.savez, *[np.ones(2)] * 2),
        r"an \.npz of arrays that gru2np did not write: .*GRU\(units=\.\.\.\)\.bind",
    ),
    "npy": (saved(np.save, np.ones(2)), "one array: .* -i {}"),
    "json": (b' {"class_name": "Model"}', "JSON.*: gru2np export {} --weights"),
    "tfjs": (b'{"modelTopology": {}}', "model.json of TensorFlow.js: gru2np export {}"),
    "torch": (zipped("archive/data.pkl"), "PyTorch: .* gru2np export MODEL"),
    "pickle": (pickle.dumps([1], protocol=4), "a pickle, .*: .* gru2np export MODEL"),
    "tflite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite model: .* gru2np export MODEL"),
    "onnx": (b"\x08\x07\x12\x07pytorch", "ONNX or TensorFlow"),
    "zip": (zipped("readme.txt"), "a zip archive: gru2np export {}"),
    "gzip": (b"\x1f\x8b\x08", "a gzip archive: gru2np export {}"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "page": (b"<!DOCTYPE html>", "a web page: download"),
    "empty": (b"", "an empty file: .* gru2np export"),
    "other": (b"\0\1\2", "other bytes: gru2np export MODEL"),
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_the_kind_of_a_file(kind, mapped, tmp_path):
    data, said = FILES[kind]
    path = tmp_path / "some file"
    path.write_bytes(data)
    with pytest.raises(
        BundleError, match=f"(?s)expected a bundle.*{said}".replace("{}", ".*")
    ) as caught:
        load(path, mapped=mapped)
    assert ("'" + str(path) + "'" in str(caught.value)) == ("{}" in said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("saved_model.pb", "a SavedModel folder: gru2np export"),
        ("run.py", "gru2np ship wrote: its bundle is .*/model.npz"),
        ("model.json", "TensorFlow.js: gru2np export"),
        ("config.json", "unzipped .keras folder: gru2np export"),
        ("anything", "a folder: name the .npz"),
    ],
)
def test_the_kind_of_a_folder(name, said, tmp_path):
    (tmp_path / name).touch()
    for mapped in (False, True):
        with pytest.raises(BundleError, match=said):
            load(tmp_path, mapped=mapped)


def test_a_bundle_that_is_cut_off_is_a_bundle(bundle):
    with pytest.raises(BundleError, match="the bundle is cut off"):
        load(bundle[: len(bundle) // 2])


@pytest.mark.parametrize("source", [None, 3, 2.5, [b"PK"]])
def test_what_is_no_source(source):
    with pytest.raises(BundleError, match=r"expected a path, .*: load\('model.npz'\)"):
        load(source)


def test_no_file_is_the_error_of_python(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")
    with pytest.raises(BundleError, match=r"'a\\x00b'"):
        load("a\0b")
