"""Upgrade in Python: the result, no leftovers, and models that are in memory."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

import gru2np
from gru2np.upgraded import Differs, Upgraded
from gru2np.upgrading.upgrade import upgrade_of
from gru2np_runtime import load
from modelfiles import fixture, golden, with_weight
from needs_keras import needs_keras

OLD = "keras-1.2-theano/gru"
REFUSED = "keras-2.0/stateful_masked"


def test_the_result_says_what_was_written(tmp_path):
    upgraded = gru2np.upgrade(fixture(OLD), tmp_path / "new.keras")
    assert isinstance(upgraded, gru2np.Upgraded)
    assert (upgraded.layers, upgraded.parameters) == (3, 243)
    assert (upgraded.keras_version, upgraded.written_for) == ("1.2.2", "3.15.1")
    assert set(upgraded.rewritten) == {"cpu", "gpu"}
    assert upgraded.verification is None
    first, second, third = str(upgraded).splitlines()
    assert first == "3 layers, 243 parameters, for Keras 3.15.1"
    assert second.startswith("Rewritten: weights before hard_sigmoid are multiplied")
    assert second.endswith("(cpu and gpu)")
    assert third.startswith("Note: the loss, the metrics and the state of the optimi")


def test_names_of_layers_are_shown_as_they_are():
    text = str(Upgraded(1, 0, None, "3.15.1", {"a%2Fb": ("other words",)}, ()))
    assert text.splitlines()[1] == "Rewritten: other words (a/b)"


def test_two_files_of_a_model_are_equal(tmp_path):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        gru2np.upgrade(fixture(OLD), file)
    gru2np.upgrade(fixture(OLD), tmp_path / "new.keras")
    first, second = (file.getvalue() for file in files)
    assert first == second == (tmp_path / "new.keras").read_bytes()


def test_what_the_file_leaves_open_is_noted(tmp_path):
    """The file of Keras 3 names no backend, and a stateful LSTM depends on it."""
    case = golden("keras-3.15/stateful_masked")
    upgraded = None
    try:
        upgraded = gru2np.upgrade(case.files()[0], io.BytesIO())
    except gru2np.UnsupportedModelError:
        pytest.fail("a file of the newest Keras has a form in it")
    assert any("names no backend" in note for note in upgraded.notes)


def test_a_refusal_leaves_the_old_output(tmp_path):
    out = tmp_path / "new.keras"
    out.write_bytes(b"old")
    with pytest.raises(gru2np.UnsupportedModelError) as caught:
        gru2np.upgrade(fixture(REFUSED), out)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
    assert [problem.layer for problem in caught.value.problems] == ["lstm_1", "gru_1"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(gru2np.Gru2npError, match="cannot be written: No space"):
        gru2np.upgrade(fixture(OLD), tmp_path / "new.keras")
    assert not list(tmp_path.iterdir())


def test_a_model_is_not_replaced_by_its_upgrade(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(fixture(OLD).read_bytes())
    before = path.read_bytes()
    match = r"is the model itself: .* out='.*model.upgraded.keras'"
    with pytest.raises(gru2np.InputError, match=match):
        gru2np.upgrade(path, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((3, "new.keras"), "model: expected a path or a live keras.Model, got int"),
        (("model.h5", None), "out: expected a path or a file open for bytes, got None"),
    ],
)
def test_arguments_that_are_no_paths(arguments, text):
    with pytest.raises(gru2np.InputError, match=text):
        gru2np.upgrade(*arguments)


@needs_keras
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
def test_a_live_model_of_tf_keras_becomes_one_of_keras_3(tmp_path):
    import keras
    import tf_keras

    rng = np.random.default_rng(0)
    old = tf_keras.Sequential(
        [
            tf_keras.layers.Input((None, 3)),
            tf_keras.layers.Masking(),
            tf_keras.layers.GRU(4, recurrent_activation="hard_sigmoid", name="a"),
        ]
    )
    old.set_weights([rng.normal(size=w.shape) for w in old.get_weights()])
    upgraded = gru2np.upgrade(old, tmp_path / "new.keras")
    assert list(upgraded.rewritten) == ["a"]
    new = keras.models.load_model(tmp_path / "new.keras")
    x = rng.normal(size=(2, 5, 3)).astype(np.float32)
    x[0, 3:] = 0
    np.testing.assert_allclose(
        new.predict(x, verbose=0), old.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


@needs_keras
def test_an_upgrade_is_written_if_keras_agrees(tmp_path):
    out = tmp_path / "new.keras"
    upgraded = gru2np.upgrade(fixture(OLD), out, verify=True)
    verification = upgraded.verification
    assert verification is not None
    assert verification.agrees
    assert verification.rewritten == upgraded.rewritten
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("config.json"))["class_name"] == "Functional"
    assert load(_bundle(fixture(OLD))).layers


@needs_keras
def test_an_upgrade_that_differs_is_refused_and_not_written(tmp_path, monkeypatch):
    """The writer gets a weight wrong."""
    other = with_weight(OLD, tmp_path / "other.h5", 0.75)
    from gru2np.convert import convert

    with convert(other) as conversion:
        wrong = upgrade_of(conversion)
    monkeypatch.setattr("gru2np.upgraded.upgrade_of", lambda conversion: wrong)
    out = tmp_path / "new.keras"
    with pytest.raises(Differs, match="so nothing is written: ") as caught:
        gru2np.upgrade(fixture(OLD), out, verify=True)
    assert isinstance(caught.value, gru2np.VerificationError)
    assert not caught.value.verification.agrees
    assert not out.exists()


def _bundle(path):
    out = io.BytesIO()
    gru2np.export(path, out)
    return out.getvalue()
