"""Models that were packed once more, in a .zip or a .gz."""

import gzip
import zipfile

import pytest

import gru2np
from exports import assert_same_weights, exported, refusal
from goldens import FIXTURES

STACK = FIXTURES / "tf-2.10" / "mixed_stack_savedmodel" / "model"


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
    assert_same_weights(model, exported(HDF5)[0])
    assert about.notes == ("the model is deep/Model.H5, in a.zip",)
    (tmp_path / "m.h5.gz").write_bytes(gzip.compress(HDF5.read_bytes()))
    assert_same_weights(exported(tmp_path / "m.h5.gz")[0], model)
    saved = exported(packed(tmp_path / "s.zip", STACK, "my/model/"))[0]
    assert_same_weights(saved, exported(STACK)[0])
    unzipped = FIXTURES / "keras-3.15" / "gru_directory" / "model"
    keras = exported(packed(tmp_path / "k.zip", unzipped, "gru/"))[0]
    assert_same_weights(keras, exported(unzipped)[0])


def test_of_several_models_in_an_archive_none_is_chosen(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(HDF5, "a.h5")
        archive.write(HDF5, "b.h5")
    assert "unpack it and give 'a.h5' or 'b.h5'" in refusal(tmp_path / "two.zip")


@pytest.mark.tensorflow
def test_keras_agrees_on_what_is_packed(tmp_path):
    pytest.importorskip("tf_keras")
    assert gru2np.verify(packed(tmp_path / "s.zip", STACK, "my/model/")).agrees
