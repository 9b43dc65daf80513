"""Weights that old files keep in another form."""

from gru2np.convert import convert
from gru2np.verification import installed_keras
from modelfiles import fixture, meaning_said

CUDNN = "keras-2.2/cudnn_gru"


def test_rearranged_cudnn_weights_are_mentioned():
    assert "cuDNN's order" in meaning_said(CUDNN)
    assert "cuDNN" not in meaning_said("keras-2.2/gru")


def test_tf_keras_is_used_for_cudnn_layers():
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    with convert(fixture(CUDNN)) as conversion:
        assert not list(installed_keras.differences(conversion, keras))
