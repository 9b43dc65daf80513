"""Folders of TensorFlow.js."""

import io
import json
import shutil

import pytest

import gru2np
from exports import refusal
from goldens import FIXTURES
from needs_keras import needs_keras

TFJS = FIXTURES / "tf-2.10" / "mixed_stack_tfjs"


@needs_keras
def test_keras_runs_an_upgraded_file_in_place_of_tensorflow_js():
    found = gru2np.verify(TFJS / "model.json")
    assert found.agrees
    assert found.reference.endswith("on the upgraded file")
    assert any("no Keras opens a folder of" in note for note in found.notes)


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
        (change("modelTopology", "keras_version", value="tfjs-layers 4.2"), "built in"),
        (change("weightsManifest", value=None), "expected a group with paths"),
        (change(*GROUP, "paths", value=["../x"]), "points outside the directory"),
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
            "the names of the arrays do not name their layers",
        ),
    ],
)
def test_damaged_folders_of_tensorflow_js(tmp_path, edit, said):
    assert said in refusal(tfjs(tmp_path / "m", edit))


def test_the_folder_may_be_given_instead_of_its_json():
    out = [io.BytesIO(), io.BytesIO()]
    gru2np.export(TFJS, out[0])
    gru2np.export(TFJS / "model.json", out[1])
    assert out[0].getvalue() == out[1].getvalue()
