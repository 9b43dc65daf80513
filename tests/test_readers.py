"""The readers: each container, and how each is told from the others."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from goldens import FIXTURES, Golden, all_goldens, refused
from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.readers import open_model
from small_models import (
    BIAS,
    CONFIG,
    KERNEL,
    members,
    write_folder,
    write_groups,
    write_h5,
    write_paths,
    write_zip,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gru2np.ir import RawModel


def arrays(raw: RawModel) -> dict[str, list[np.ndarray[Any, Any]]]:
    """All weights by layer or path."""
    if raw.groups is not None:
        found = dict(raw.groups.groups)
    elif raw.objects is not None:
        found = {tensor.name: (tensor,) for tensor in raw.objects.everything()}
    elif raw.flat is not None:
        found = {tensor.name: (tensor,) for tensor in raw.flat.arrays}
    else:
        assert raw.paths is not None
        found = {path: tuple(raw.paths.variables(path)) for path in raw.paths.paths()}
    return {name: [tensor.read() for tensor in found[name]] for name in found}


def assert_dense(raw: RawModel, name: str = "layers/dense") -> None:
    found = arrays(raw)
    assert list(found) == [name]
    kernel, bias = found[name]
    np.testing.assert_array_equal(kernel, KERNEL, strict=True)
    np.testing.assert_array_equal(bias, BIAS, strict=True)


def architecture(folder: Path, **keys: Any) -> Path:
    path = folder / "arch.json"
    path.write_text(json.dumps({**CONFIG, **keys}))
    return path


def weights_file(
    folder: Path, write: Callable[[h5py.File], None], **attributes: str
) -> Path:
    path = folder / "weights.h5"
    with h5py.File(path, "w") as file:
        write(file)
        file.attrs.update(attributes)
    return path


# Containers


def test_hdf5_model(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with open_model(path) as raw:
        assert_dense(raw, "d")
        assert raw.config == CONFIG
        assert raw.paths is None
        assert raw.keras_version == "2.15.0"
        assert raw.backend == "tensorflow"
        assert raw.container == "hdf5"
        assert raw.file_name == "model.h5"
        assert raw.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_keras_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "model.keras", members())
    with open_model(str(path)) as raw:
        assert_dense(raw)
        assert raw.config == CONFIG  # without compile_config
        assert raw.groups is None
        assert raw.keras_version == "3.15.1"
        assert raw.backend is None
        assert raw.container == "keras"
        assert raw.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = members()
    path = write_folder(tmp_path / "model", given)
    (path / "README.md").write_bytes(b"as on a hub")
    digest = hashlib.sha256(b"".join(given[name] for name in sorted(given)))
    monkeypatch.chdir(path)
    for spelling in (path, f"{path}/", "."):
        with open_model(spelling) as raw:
            assert_dense(raw)
            assert raw.config == CONFIG  # without compile_config
            assert raw.keras_version == "3.15.1"
            assert raw.container == "keras"
            assert raw.file_name == "model"
            assert raw.sha256 == digest.hexdigest()


def test_directory_of_links(tmp_path: Path) -> None:
    # How the cache of a hub keeps it.
    blobs = write_folder(tmp_path / "blobs", members())
    path = write_folder(tmp_path / "snapshot", {})
    for blob in blobs.iterdir():
        (path / blob.name).symlink_to(f"../blobs/{blob.name}")
    with open_model(path) as raw:
        assert_dense(raw)


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_incomplete_directory(tmp_path: Path, missing: str) -> None:
    given = {name: data for name, data in members().items() if name != missing}
    with (
        pytest.raises(ModelFileError, match=r"m: expected config\.json and model"),
        open_model(write_folder(tmp_path / "m", given)),
    ):
        pass


def test_harmless_members_are_ignored(tmp_path: Path) -> None:
    given = {**members(), "assets/": b"", "assets/layers/ü.txt": b"a"}
    with open_model(write_zip(tmp_path / "model.keras", given)) as raw:
        assert_dense(raw)


def test_large_architecture_in_archive(tmp_path: Path) -> None:
    large = json.dumps({**CONFIG, "padding": "y" * (3 << 20)}).encode()
    with open_model(write_zip(tmp_path / "m", members(config__json=large))) as raw:
        assert_dense(raw)


def test_json_with_legacy_weights(tmp_path: Path) -> None:
    path = architecture(tmp_path, keras_version="2.9.0", backend="theano")
    weights = weights_file(tmp_path, write_groups, keras_version="2.1.0")
    with open_model(path, weights) as raw:
        assert_dense(raw, "d")
        assert raw.keras_version == "2.9.0"
        assert raw.backend == "theano"
        assert raw.container == "json+hdf5"
        assert raw.file_name == "arch.json"
        joined = path.read_bytes() + weights.read_bytes()
        assert raw.sha256 == hashlib.sha256(joined).hexdigest()


def test_json_takes_versions_from_its_weights(tmp_path: Path) -> None:
    path = architecture(tmp_path)
    written = {"keras_version": "2.1.5", "backend": "tensorflow"}
    weights = weights_file(tmp_path, write_groups, **written)
    with open_model(path, weights) as raw:
        assert (raw.keras_version, raw.backend) == ("2.1.5", "tensorflow")


def test_json_with_weights_by_path(tmp_path: Path) -> None:
    path = architecture(tmp_path, module="keras", registered_name=None)
    with open_model(path, weights_file(tmp_path, write_paths)) as raw:
        assert_dense(raw)
        assert raw.keras_version is None
        assert raw.container == "json+weights.h5"


def test_json_with_the_weights_of_a_whole_model(tmp_path: Path) -> None:
    path = architecture(tmp_path, keras_version="2.15.0")
    with open_model(path, write_h5(tmp_path / "model.h5")) as raw:
        assert_dense(raw, "d")


# Detection


def test_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    # TensorFlow up to 2.12 wrote HDF5 into model.keras.
    with open_model(write_h5(tmp_path / "model.keras")) as raw:
        assert raw.container == "hdf5"
    with open_model(write_zip(tmp_path / "model.h5", members())) as raw:
        assert raw.container == "keras"
    path = architecture(tmp_path, keras_version="2.9.0").rename(tmp_path / "m.h5")
    with open_model(path, weights_file(tmp_path, write_paths)) as raw:
        assert raw.container == "json+weights.h5"


@pytest.mark.parametrize("size", [512, 1024, 4096])
def test_hdf5_after_a_user_block(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", userblock_size=size) as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps(CONFIG)
        write_groups(file.create_group("model_weights"))
    with path.open("r+b") as raw_file:
        raw_file.write(b'{"a note": "in the user block"}')
    with open_model(path) as raw:
        assert_dense(raw, "d")


def test_json_after_spaces_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_bytes(b"\xef\xbb\xbf \n" + json.dumps(CONFIG).encode())
    with open_model(path, weights_file(tmp_path, write_paths)) as raw:
        assert raw.config == CONFIG


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "an empty file; fetch or save it again"),
        (b"hello", "begins with b'hello'"),
        (b"\x1c\0\0\0TFL3\x14\0", "a TensorFlow Lite model"),
        (b"\x08\x07\x12\x07pytorch", "a protocol buffer (ONNX or TensorFlow)"),
        (b"\x80\x04\x95", "a pickle"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"class_name: Sequential\n", "YAML"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, got: str) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(data)
    expected = "model.h5: expected a Keras model (HDF5, .keras or architecture JSON)"
    with pytest.raises(ModelFileError) as caught, open_model(path):
        pass
    assert str(caught.value).startswith(expected)
    assert got in str(caught.value)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"manifest.json": b"{}", "w.npy": b""}, "got a gru2np bundle"),
        ({"archive/data.pkl": b""}, "got a PyTorch file"),
        ({"m/config.json": b"{}"}, "got a zip archive of ['m/config.json']"),
        ({"readme": b"{}"}, "got a zip archive of ['readme']"),
        (members(metadata__json=None), "expected a member metadata.json"),
        (members(metadata__json=b"{}"), "expected the Keras version, got None"),
        (members(model__weights__h5=None), "expected a member model.weights.h5"),
        (members(model__weights__h5=b"x"), "model.weights.h5: cannot be read"),
        (members(config__json=b'{"config": {}}'), "expected a Keras architecture"),
    ],
)
def test_incomplete_archives(tmp_path: Path, given: Any, got: str) -> None:
    path = write_zip(tmp_path / "model.keras", given)
    with pytest.raises(ModelFileError) as caught, open_model(path):
        pass
    assert got in str(caught.value)


# What is missing, or not read yet


def test_missing_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelFileError, match=r"nope\.h5: no such file"),
        open_model(tmp_path / "nope.h5"),
    ):
        pass
    path = architecture(tmp_path)
    with (
        pytest.raises(ModelFileError, match=r"nope\.h5: no such file"),
        open_model(path, tmp_path / "nope.h5"),
    ):
        pass


def test_architecture_alone(tmp_path: Path) -> None:
    path = architecture(tmp_path)
    with (
        pytest.raises(ModelFileError, match=r"an architecture alone; .* --weights"),
        open_model(path),
    ):
        pass


@pytest.mark.parametrize("write", [write_groups, write_paths])
def test_weights_alone(tmp_path: Path, write: Any) -> None:
    path = weights_file(tmp_path, write)
    with (
        pytest.raises(ModelFileError, match=r"got weights alone; .* --weights"),
        open_model(path),
    ):
        pass


def test_weights_beside_a_whole_model(tmp_path: Path) -> None:
    whole = write_h5(tmp_path / "model.h5")
    archive = write_zip(tmp_path / "model.keras", members())
    for path in (whole, archive):
        with (
            pytest.raises(ModelFileError, match="pass a whole model without --weights"),
            open_model(path, whole),
        ):
            pass
    with (
        pytest.raises(ModelFileError, match="a whole model needs no --weights"),
        open_model(architecture(tmp_path), archive),
    ):
        pass


def test_files_of_different_generations(tmp_path: Path) -> None:
    """Whether the two mean the same is found later; the reader says whose they are."""
    path = architecture(tmp_path, module="keras", registered_name=None)
    weights = weights_file(tmp_path, write_groups, keras_version="2.9.0")
    with open_model(path, weights) as raw:
        assert (raw.keras_version, raw.weights_version) == (None, "2.9.0")


def test_failed_saves(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5", model_config=None)
    with (
        pytest.raises(ModelFileError, match=r"`model_config`\), got weights alone"),
        open_model(path),
    ):
        pass
    written = architecture(tmp_path, keras_version="2.15.0")
    with open_model(written, path) as raw:
        assert_dense(raw, "d")
    for missing in ("model_weights", "model_weights/d", "model_weights/d/d/bias:0"):
        path = write_h5(tmp_path / "model.h5")
        with h5py.File(path, "r+") as file:
            del file[missing]
        with (
            pytest.raises(ModelFileError, match=f"model.h5.*{missing}.*save it again"),
            open_model(path),
        ):
            pass


def test_other_directories(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="got a directory"), open_model(tmp_path):
        pass
    for mark, kind in [
        ("saved_model.pbtxt", "a TensorFlow SavedModel"),
        ("checkpoint", "a TensorFlow checkpoint"),
        ("ckpt-1.index", "a TensorFlow checkpoint"),
    ]:
        folder = write_folder(tmp_path / mark, {mark: b"", "config.json": b"{}"})
        with (
            pytest.raises(UnsupportedModelError, match=rf"{kind}.*as one file"),
            open_model(folder),
        ):
            pass
    folder = write_folder(tmp_path / "folder", {})
    write_h5(folder / "model.h5")
    with (
        pytest.raises(ModelFileError, match=r"holds \['model.h5'\]; give the model"),
        open_model(folder),
    ):
        pass


def test_a_directory_as_weights(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", members())
    with (
        pytest.raises(ModelFileError, match="m: expected a file, got a directory"),
        open_model(architecture(tmp_path), folder),
    ):
        pass
    with (
        pytest.raises(ModelFileError, match="got a directory; pass a whole model"),
        open_model(folder, write_h5(tmp_path / "model.h5")),
    ):
        pass


@pytest.mark.parametrize("version", [None, "1.2.2", "0.3.0"])
def test_versions_are_as_written(tmp_path: Path, version: str | None) -> None:
    # What they mean, and that no version means Keras 1, is not for a reader to say.
    with open_model(write_h5(tmp_path / "model.h5", keras_version=version)) as raw:
        assert raw.keras_version == version
        assert_dense(raw, "d")
    weights = weights_file(tmp_path, write_groups)
    with open_model(architecture(tmp_path), weights) as raw:
        assert raw.keras_version is None
        assert_dense(raw, "d")


def test_numbered_weights(tmp_path: Path) -> None:
    weights = weights_file(tmp_path, lambda file: file.attrs.update({"nb_layers": 1}))
    with (
        pytest.raises(UnsupportedModelError, match="`nb_layers`"),
        open_model(architecture(tmp_path), weights),
    ):
        pass


# Weights


def test_group_order_is_the_files_and_not_the_alphabet(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.array(["z/y", "empty", "a"], dtype=object)
        for index, name in enumerate(("z/y", "a")):
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([b"w_10", b"w_9", b"deep/er/w_1"])
            for other, weight in enumerate(("w_10", "w_9", "deep/er/w_1")):
                group[weight] = np.float32(10 * index + other)
        file.create_group("empty").attrs["weight_names"] = []  # stored as float64

    weights = weights_file(tmp_path, write, keras_version="2.9.0")
    with open_model(architecture(tmp_path), weights) as raw:
        found = arrays(raw)
    assert list(found) == ["z/y", "empty", "a"]
    assert found == {"z/y": [0, 1, 2], "empty": [], "a": [10, 11, 12]}


def test_names_in_chunks(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file.attrs["layer_names0"] = np.array([b"a", b"b"])
        file.attrs["layer_names1"] = np.array([b"c"])
        for name in "abc":
            file.create_group(name).attrs["weight_names"] = np.array([], "S1")

    weights = weights_file(tmp_path, write, keras_version="2.9.0")
    with open_model(architecture(tmp_path), weights) as raw:
        assert arrays(raw) == {"a": [], "b": [], "c": []}


@pytest.mark.parametrize(
    "kind", ["bytes", "fixed", "variable", "latest", "many in one heap"]
)
def test_texts_of_every_kind(tmp_path: Path, kind: str) -> None:
    text = json.dumps({**CONFIG, "note": "ü" * 70_000}, ensure_ascii=False)
    names = [f"läyer_{i}" for i in range(200 if kind == "many in one heap" else 2)]
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", libver="latest" if kind == "latest" else None) as file:
        if kind == "fixed":
            text = json.dumps(CONFIG)
            file.attrs["model_config"] = np.bytes_(text.encode())
            given: Any = np.array([name.encode() for name in names])
        else:
            file.attrs["model_config"] = text.encode() if kind == "bytes" else text
            given = np.array(names, dtype=object)
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["backend"] = ""
        top = file.create_group("model_weights")
        for name in names:
            top.create_group(name).attrs["weight_names"] = []
        top.attrs["layer_names"] = given
    with open_model(path) as raw:
        assert raw.config == json.loads(text)
        assert list(arrays(raw)) == names
        assert raw.backend == ""


@pytest.mark.parametrize(
    "dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<i8", ">i4", "u1"]
)
def test_numbers_come_out_native(tmp_path: Path, dtype: str) -> None:
    value = np.arange(6).reshape(2, 3).astype(dtype)
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group["kernel:0"] = value
    with open_model(path) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
        assert tensor.shape == (2, 3)
        assert tensor.dtype == value.dtype.newbyteorder("=").name
        assert tensor.name == "model.h5/model_weights/d/d/kernel:0"
        native = value.astype(value.dtype.newbyteorder("="))
        np.testing.assert_array_equal(tensor.read(), native, strict=True)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 2)])
def test_bfloat16_is_widened(tmp_path: Path, shape: tuple[int, ...]) -> None:
    value = np.full(shape, -1.5, "<f4")
    stored = (value.view("<u4") >> 16).astype("<u2").view("V2")
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=stored)
    with open_model(path) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
        assert tensor.dtype == "bfloat16"
        np.testing.assert_array_equal(tensor.read(), value, strict=True)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (3, 2)},
        {"compression": "gzip"},
        {"chunks": (3, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ],
)
def test_repacked_weights(tmp_path: Path, options: dict[str, Any]) -> None:
    value = np.random.default_rng(0).normal(size=(7, 5)).astype("f4")
    path = write_h5(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=value, **options)
    with open_model(path) as raw:
        np.testing.assert_array_equal(arrays(raw)["d"][0], value, strict=True)


def test_variables_are_numbered(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        write_paths(file)
        for path in ("layers/gru/cell", "layers/gru/cell/seed_generator"):
            group = file.create_group(f"{path}/vars")
            for index in range(12):
                group[str(index)] = np.float32(index)
        file.create_group("layers/gru/vars")
        file.create_group("metrics/mean/vars")["0"] = BIAS

    weights = weights_file(tmp_path, write)
    path = architecture(tmp_path)
    with open_model(path, weights) as raw:
        assert raw.paths is not None
        assert list(raw.paths.paths()) == ["layers/dense", "layers/gru/cell"]
        numbers = [tensor.read() for tensor in raw.paths.variables("layers/gru/cell")]
        assert numbers == list(range(12))
        for absent in ("layers/gru", "layers/lstm/cell", ""):
            assert list(raw.paths.variables(absent)) == []
        # Asking again is no second reading of the file.
        for _ in range(100):
            assert len(raw.paths.variables("layers/dense")) == 2
    with h5py.File(weights, "r+") as file:
        del file["layers/dense/vars/0"]
        file["vars/0"] = BIAS
    with open_model(path, weights) as raw:
        assert raw.paths is not None
        assert "" in list(raw.paths.paths())
        with pytest.raises(
            ModelFileError, match=r"expected the arrays 0 to 0, got '1'"
        ):
            raw.paths.variables("layers/dense")


def test_reading_after_closing_says_so(tmp_path: Path) -> None:
    with open_model(write_h5(tmp_path / "model.h5")) as raw:
        assert raw.groups is not None
        tensor = raw.groups.groups[0][1][0]
    with pytest.raises(ValueError, match="read after the model file was closed"):
        tensor.read()


def test_errors_of_the_block_pass_through(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with pytest.raises(KeyError, match="mine"), open_model(path):
        raise KeyError("mine")
    path.unlink()  # closed on every system


# Files of real Keras


def test_a_save_that_failed_in_keras() -> None:
    path = FIXTURES / "keras-3.0" / "refused_partial_h5" / "model.h5"
    with (
        pytest.raises(ModelFileError, match=r"'kernel' twice; .*arrays are missing"),
        open_model(path),
    ):
        pass


# Containers that a fixture calls otherwise than a bundle.
CONTAINERS = {"directory": "keras", "json+shards": "json+weights.h5"}


@pytest.mark.parametrize("golden", all_goldens(), ids=lambda golden: golden.name)
def test_golden(golden: Golden) -> None:
    with suppress(ModelFileError) if refused(golden) else nullcontext():
        check_golden(golden)


def check_golden(golden: Golden) -> None:
    with open_model(*golden.files()) as raw:
        found = arrays(raw)
    container = golden.facts["container"]
    assert raw.container == CONTAINERS.get(container, container)
    assert raw.keras_version in (golden.facts["keras_version"], None)
    assert isinstance(raw.config["class_name"], str)
    for tensors in found.values():
        assert all(array.dtype.isnative for array in tensors)
