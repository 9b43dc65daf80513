"""Export: any file name, no leftovers, and models that are in memory."""

import io
import shutil

import numpy as np
import pytest

import goldens
import gru2np
from gru2np_runtime import load
from legacy_models import saved, sequential

KERAS_2 = goldens.FIXTURES / "keras-2.2"
KERAS_3 = goldens.FIXTURES / "keras-3.15"


def test_a_failed_export_leaves_the_old_output(tmp_path):
    out = tmp_path / "model.npz"
    out.write_bytes(b"old")
    with pytest.raises(gru2np.UnsupportedModelError):
        gru2np.export(saved(tmp_path, sequential(("Lambda", {"name": "code"}))), out)
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.h5", "model.npz"]


def test_an_interrupted_export_leaves_nothing(tmp_path, monkeypatch):
    from gru2np_runtime.bundle.container import Writer

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "close", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gru2np.export(KERAS_2 / "gru" / "model.h5", tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".txt", ""])
def test_the_suffix_does_not_matter(tmp_path, suffix):
    for source in (KERAS_2 / "gru" / "model.h5", KERAS_3 / "gru" / "model.keras"):
        path = tmp_path / f"model{suffix}"
        shutil.copy(source, path)
        out = io.BytesIO()
        gru2np.export(path, out)
        assert load(out.getvalue()).layers


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
def test_a_live_model_is_saved_and_read(tmp_path):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.layers.Input((None, 3)), keras.layers.GRU(4)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    gru2np.export(model, tmp_path / "model.npz")
    x = rng.normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        load(tmp_path / "model.npz").predict(x),
        model.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_model_is_not_replaced_by_its_bundle(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes((KERAS_2 / "gru" / "model.h5").read_bytes())
    before = path.read_bytes()
    with pytest.raises(gru2np.InputError, match=r"is the model itself: .* out='.*npz'"):
        gru2np.export(path, path)
    assert path.read_bytes() == before
