"""SavedModel folders, TensorFlow checkpoints, and whatever else a model comes in."""

import gzip
import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

import goldens
import gru2np
import gru2np_runtime
from goldens import FIXTURES, Golden

SHARED = goldens.ROOT.parent / "shared"
REAL = SHARED / "models" / "savedmodel"
real_models = pytest.mark.skipif(not REAL.exists(), reason="shared/models is not here")
real_cases = pytest.mark.skipif(
    not (SHARED / "cases").exists(), reason="shared/cases is not here"
)
STACK = FIXTURES / "tf-2.10" / "mixed_stack_savedmodel" / "model"
TFJS = FIXTURES / "tf-2.10" / "mixed_stack_tfjs"
CHECKPOINT = FIXTURES / "tf-2.10" / "mixed_stack_checkpoint"


def exported(model, **options):
    """The model loaded, and what was said of it."""
    out = io.BytesIO()
    about = gru2np.export(model, out, **options)
    return gru2np_runtime.load(out.getvalue()), about


def refusal(model, **options):
    refused = (gru2np.ModelFileError, gru2np.UnsupportedModelError)
    with pytest.raises(refused) as caught:
        gru2np.export(model, io.BytesIO(), **options)
    return str(caught.value)


def same(model, other):
    """Assert that two models have the same weights, bit by bit."""
    assert model.weights.keys() == other.weights.keys()
    for path, weight in other.weights.items():
        np.testing.assert_array_equal(model.weights[path], weight)


@real_models
@pytest.mark.parametrize(
    "name",
    [
        "ews_best_model_1_1_len1500",
        "unicode_Burmese_graphclust_model4_heavy",
        "unicode_Khmer_codepoints_exclusive_model4_heavy",
        "unicode_Thai_codepoints_exclusive_model5_heavy",
    ],
)
def test_published_models_give_what_keras_gave(name):
    model, _ = exported(REAL / name / "model")
    with np.load(REAL / name / "io.npz") as data:
        y = model.predict(data["in0"])
        np.testing.assert_allclose(y, data["out0"], rtol=1e-4, atol=2e-5)


@real_models
@pytest.mark.parametrize("twin", ["twin.h5", "twin.keras"])
def test_a_published_folder_equals_the_same_model_in_other_files(twin):
    """Written by TensorFlow 2.0, which counts the InputLayer of a Sequential."""
    folder = REAL / "ews_best_model_1_1_len1500"
    same(exported(folder / "model")[0], exported(folder / twin)[0])


def test_the_version_of_tensorflow_is_told_and_decides():
    """TensorFlow 2.4.4 writes Keras 2.4.0, as 2.3 does."""
    _, about = exported(FIXTURES / "tf-2.4" / "mixed_stack_savedmodel" / "model")
    assert about.keras_version == "2.4.0"
    report = gru2np.inspect(FIXTURES / "tf-2.4" / "mixed_stack_savedmodel" / "model")
    assert report.written_by == "TensorFlow 2.4.4"
    assert report.source["container"] == "savedmodel"
    assert report.source["tensorflow_version"] == "2.4.4"


@pytest.mark.parametrize(
    "named",
    [
        "checkpoint/weights",
        "checkpoint/weights.index",
        "checkpoint/weights.data-00000-of-00001",
        "checkpoint/checkpoint",
        "checkpoint",
    ],
)
def test_a_checkpoint_is_named_by_its_prefix_a_file_or_its_folder(named):
    golden = Golden(CHECKPOINT)
    model, _ = exported(CHECKPOINT / "architecture.json", weights=CHECKPOINT / named)
    inputs = dict(zip(model.input_names, golden.arrays(0, "x"), strict=True))
    for y, wanted in zip(
        goldens.flat(model.predict(inputs)), golden.arrays(0, "y"), strict=True
    ):
        golden.close(y, wanted)


def test_the_weights_of_a_saved_model_go_with_an_architecture_too():
    architecture = CHECKPOINT / "architecture.json"
    same(exported(architecture, weights=STACK)[0], exported(STACK)[0])


def test_a_folder_that_names_no_checkpoint_in_it(tmp_path):
    shutil.copytree(CHECKPOINT / "checkpoint", tmp_path / "c")
    (tmp_path / "c" / "checkpoint").write_text('model_checkpoint_path: "/a/b/gone"\n')
    text = refusal(CHECKPOINT / "architecture.json", weights=tmp_path / "c")
    assert "c/checkpoint: expected the prefix of a checkpoint beside it" in text
    assert "got 'gone'" in text
    # The paths of the machine that trained are no matter.
    (tmp_path / "c" / "checkpoint").write_text(
        'model_checkpoint_path: "C:\\run\\weights"\n'
    )
    exported(CHECKPOINT / "architecture.json", weights=tmp_path / "c")


def test_weights_of_another_architecture_are_refused():
    other = FIXTURES / "tf-2.10" / "nested_twice_checkpoint" / "architecture.json"
    text = refusal(other, weights=CHECKPOINT / "checkpoint")
    assert "expected" in text
    assert "layers, got" in text


def test_a_layer_of_another_name_is_refused(tmp_path):
    """Equal shapes, and names that are those of the other layer."""
    case = FIXTURES / "tf-2.10" / "trained_checkpoint"
    config = json.loads((case / "architecture.json").read_text("utf-8"))
    layers = [
        own for own in config["config"]["layers"] if own["class_name"] != "InputLayer"
    ]
    first, second = layers[0]["config"], layers[-1]["config"]
    first["name"], second["name"] = second["name"], first["name"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(config))
    assert "expected an array of layer" in refusal(path, weights=case / "checkpoint")


def test_states_that_were_saved_are_spoken_of():
    folder = FIXTURES / "tf-2.10" / "stateful_stack_savedmodel" / "model"
    _, about = exported(folder)
    assert any("the bundle starts from zeros" in note for note in about.notes)
    assert exported(STACK)[1].notes == ()


def packed(path, folder, above):
    """A zip of a folder below another."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, above + file.relative_to(folder).as_posix())
    return path


HDF5 = FIXTURES / "tf-2.10" / "mixed_stack" / "model.h5"


def test_a_model_in_an_archive_is_read_and_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(HDF5, "deep/Model.H5")
        archive.writestr("__MACOSX/deep/._Model.h5", b"x")
        archive.writestr("readme.txt", b"x")
    model, about = exported(tmp_path / "a.zip")
    same(model, exported(HDF5)[0])
    assert about.notes == ("the model is deep/Model.H5, in a.zip",)
    (tmp_path / "m.h5.gz").write_bytes(gzip.compress(HDF5.read_bytes()))
    same(exported(tmp_path / "m.h5.gz")[0], model)
    saved = exported(packed(tmp_path / "s.zip", STACK, "my/model/"))[0]
    same(saved, exported(STACK)[0])
    unzipped = FIXTURES / "keras-3.15" / "gru_directory" / "model"
    keras = exported(packed(tmp_path / "k.zip", unzipped, "gru/"))[0]
    same(keras, exported(unzipped)[0])


def test_of_several_models_in_an_archive_none_is_chosen(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(HDF5, "a.h5")
        archive.write(HDF5, "b.h5")
    assert "unpack it and give 'a.h5' or 'b.h5'" in refusal(tmp_path / "two.zip")


def arrays_of(path):
    """What ``get_weights`` gives, in its order."""
    with h5py.File(path) as file:
        top = file["model_weights"]
        for layer in top.attrs["layer_names"]:
            for name in top[layer].attrs["weight_names"]:
                yield top[layer][name][()]


def test_a_list_of_arrays_and_an_architecture_dumped_as_text(tmp_path):
    """``np.savez(path, *get_weights())``, ``json.dump(model.to_json())``."""
    with h5py.File(HDF5) as file:
        config = json.loads(file.attrs["model_config"])
        versions = {key: file.attrs[key] for key in ("keras_version", "backend")}
    text = json.dumps(json.dumps({**config, **versions}))
    (tmp_path / "a.json").write_text(text)
    weights = list(arrays_of(HDF5))
    np.savez(tmp_path / "w.npz", *weights)
    same(
        exported(tmp_path / "a.json", weights=tmp_path / "w.npz")[0], exported(HDF5)[0]
    )
    np.savez(tmp_path / "less.npz", *weights[:-1])
    less = refusal(tmp_path / "a.json", weights=tmp_path / "less.npz")
    assert f"expected {len(weights)} arrays" in less
    np.savez(tmp_path / "p.npz", np.array([{}], object))
    pickled = refusal(tmp_path / "a.json", weights=tmp_path / "p.npz")
    assert "expected an array of numbers, got pickled objects" in pickled


@real_cases
def test_weights_of_one_keras_under_an_architecture_of_another(tmp_path):
    case = SHARED / "cases" / "old_weights_new_architecture"
    model, _ = exported(case / "keras3.json", weights=case / "old.h5")
    y = model.predict(np.load(case / "x.npy"))
    np.testing.assert_allclose(y, np.load(case / "y.npy"), rtol=1e-4, atol=2e-5)
    text = (case / "keras3.json").read_text("utf-8")
    text = text.replace(
        '"recurrent_activation": "sigmoid"', '"recurrent_activation": "hard_sigmoid"'
    )
    (tmp_path / "a.json").write_text(text)
    said = refusal(tmp_path / "a.json", weights=case / "old.h5")
    assert "the weights were saved by tf-keras 2.21.0" in said
    assert "mean different numbers" in said


@real_cases
def test_weights_of_a_subclass_are_mapped_where_one_way_is_left():
    case = SHARED / "cases" / "subclass_weights"
    model, _ = exported(case / "a.json", weights=case / "m.weights.h5")
    with h5py.File(case / "m.weights.h5") as file:
        kernel = file["gru/cell/vars/0"][()]
    np.testing.assert_array_equal(model.weights["gru/kernel"], kernel)


def test_weights_of_a_subclass_that_leave_a_choice_are_refused(tmp_path):
    """Two arrays of equal shapes, below names that tell nothing."""
    case = FIXTURES / "keras-3.15" / "gru_json"
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("vars")
        for name in ("one", "two"):
            with h5py.File(case / "weights.h5") as stored:
                stored.copy("layers/gru/cell", file.create_group(name), "cell")
    said = refusal(case / "architecture.json", weights=tmp_path / "w.h5")
    assert "the file has arrays at one/cell/vars, two/cell/vars" in said
    assert "names and shapes leave open which layer each is of" in said


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("model", "weights"),
    [
        (STACK, None),
        (FIXTURES / "tf-2.0" / "mixed_stack_savedmodel" / "model", None),
        (FIXTURES / "tf-2.15" / "nested_twice_savedmodel" / "model", None),
        (CHECKPOINT / "architecture.json", CHECKPOINT / "checkpoint"),
    ],
)
def test_keras_agrees_on_folders(model, weights):
    """It is given the architecture and the weights, and not the functions."""
    pytest.importorskip("tf_keras")
    assert gru2np.verify(model, weights=weights).agrees


@pytest.mark.tensorflow
def test_keras_agrees_on_what_is_packed(tmp_path):
    pytest.importorskip("tf_keras")
    assert gru2np.verify(packed(tmp_path / "s.zip", STACK, "my/model/")).agrees


def test_of_tensorflow_js_no_keras_is_asked():
    with pytest.raises(gru2np.VerificationError, match="no Keras opens a folder of"):
        gru2np.verify(TFJS / "model.json")


def tfjs(folder, edit):
    """A folder of TensorFlow.js, its JSON changed."""
    shutil.copytree(TFJS, folder)
    record = json.loads((folder / "model.json").read_text("utf-8"))
    edit(record)
    (folder / "model.json").write_text(json.dumps(record))
    return folder / "model.json"


def change(*keys, value):
    """A function that sets the value behind some keys."""

    def edit(record):
        *outer, last = keys
        for key in outer:
            record = record[key]
        record[last] = value

    return edit


GROUP = ("weightsManifest", 0)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (change("format", value="graph-model"), "a graph-model of TensorFlow.js"),
        (change("modelTopology", "keras_version", value="tfjs-layers 4.2"), "made in"),
        (change("weightsManifest", value=None), "expected a group with paths"),
        (change(*GROUP, "paths", value=["../x"]), "aims outside the directory"),
        (change(*GROUP, "paths", value=["gone.bin"]), "expected a file gone.bin"),
        (change(*GROUP, "weights", 0, "shape", value=[1 << 62]), "expected a shape"),
        (change(*GROUP, "weights", 0, "shape", value=[9, 9]), "bytes in its files"),
        (change(*GROUP, "weights", 0, "dtype", value="string"), "float32 or int32"),
        (change(*GROUP, "weights", 0, "name", value=1), "expected the name"),
        (
            change(*GROUP, "weights", 0, "quantization", value={"dtype": "int4"}),
            "float32 quantized as uint8, uint16, float16",
        ),
        (
            change(*GROUP, "weights", 0, "name", value="odd/odd"),
            "the names of the arrays do not say which layer each is of",
        ),
    ],
)
def test_damaged_folders_of_tensorflow_js(tmp_path, edit, said):
    assert said in refusal(tfjs(tmp_path / "m", edit))


class TestInspect:
    """What ``inspect`` says of weights without an architecture."""

    @pytest.mark.parametrize(
        ("path", "container"),
        [
            (CHECKPOINT / "checkpoint", "checkpoint"),
            (CHECKPOINT / "checkpoint" / "weights", "checkpoint"),
            (FIXTURES / "keras-3.15" / "gru_json" / "weights.h5", "weights.h5"),
            (FIXTURES / "keras-2.2" / "weights_for_cudnn" / "weights.h5", "hdf5"),
        ],
    )
    def test_owners_shapes_and_ways_on(self, path, container):
        report = gru2np.inspect(path)
        assert (report.kind, report.convertible) == ("weights", False)
        assert report.source["container"] == container
        assert any("GRU(" in owner.looks_like for owner in report.owners)
        text = str(report)
        assert "without an architecture" in text
        assert "model.to_json()" in text

    def test_a_list_is_cut_where_layers_end(self, tmp_path):
        shapes = [(3, 12), (4, 12), (2, 12), (4, 5), (5,), (7, 7, 7, 7, 7)]
        np.savez(tmp_path / "w.npz", *map(np.zeros, shapes))
        report = gru2np.inspect(tmp_path / "w.npz")
        assert [(owner.path, owner.looks_like) for owner in report.owners] == [
            ("arr_0 to arr_2", "GRU(4, reset_after=True), 3 features"),
            ("arr_3 to arr_4", "Dense(5), 4 features"),
            ("arr_5", ""),
        ]
