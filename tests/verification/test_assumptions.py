"""What both the runtime and Keras assume."""

from __future__ import annotations

from gru2np.convert import convert
from gru2np.verification.assumptions import shared
from gru2np.verification.evidence import Reference
from modelfiles import golden


def assumed(name, version="3.15.1"):
    keras = "keras" if version.startswith("3") else "tf-keras"
    with convert(*golden(name).files()) as conversion:
        return shared(conversion, Reference(keras, version, "2.21.0"))


def test_only_what_a_file_leaves_open_is_assumed():
    (names,) = assumed("keras-3.15/gru")
    assert names == (
        "tanh and sigmoid are from Keras and not custom objects of the same name: the "
        "file names no module"
    )
    _, version = assumed("keras-3.15/gru", "3.16.0")
    assert version == "Keras 3.16.0 computes what Keras 3.15.1 did"


def test_facts_that_a_legacy_file_lacks_are_assumed():
    names, version, masks = assumed("keras-2.2/encoder_decoder", "2.21.0")
    assert names.startswith("LSTM, GRU, Dense, tanh and 2 more are from Keras")
    assert version == "tf-keras 2.21.0 computes what Keras 2.2.4 did"
    assert masks.startswith("no mask (encoder, decoder")


def test_a_backend_that_no_file_names_is_assumed_where_it_matters():
    with convert(*golden("keras-3.15/stateful_masked").files()) as conversion:
        (text,) = conversion.built.warnings
    assert "layer 'lstm': stateful: Keras 3.15.1 on TensorFlow means True" in text
    with convert(*golden("keras-3.15/masking_gru").files()) as conversion:
        assert conversion.built.warnings == []
