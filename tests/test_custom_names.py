"""Small files in which a name, a mask or a note was once taken for something else.

What they are, and what is right, stands beside them; the like of each is a fixture.
"""

import io

import numpy as np
import pytest

import gru2np
from exports import refusal
from gru2np_runtime import load
from modelfiles import fixture
from needs_keras import needs_keras
from shared_files import CASES, needs_cases

# What each says of itself, by the file.
OWN = {
    "own_class_in_dot_keras/m.keras": "the file names no module of Keras for it",
    "own_class_in_tfkeras_h5/m.h5": "TensorFlow 2.10.1 had none of this name",
    "own_attention_without_options/m.h5": "the file has no dropout, score_mode",
    "own_activation_with_later_name/m.h5": "a custom function: Keras 2.2.4 had",
}
RECORDED = {
    "keras-2.2/own_layer_of_later_name": "Keras 2.2.4 had none of this name",
    "keras-2.2/own_layer_of_other_keys": "which Keras 2.2.4 always wrote",
    "keras-2.2/own_function_of_later_name": "Keras 2.2.4 had none of this name",
    "tf-1.15/own_layer_of_later_name": "had none of this name",
    "tf-1.15/own_function_of_later_name": "had none of this name",
    "tf-2.4/own_layer_of_later_name": "had none of this name",
    "tf-2.10/own_layer_of_later_name": "TensorFlow 2.10.1 had none of this name",
    "tf-2.10/own_layer_of_other_keys": "which TensorFlow 2.10.1 always wrote",
    "tf-2.10/own_function_of_later_name": "had none of this name",
    "tf-2.13/own_layer_of_the_same_name": "a custom class, from catalogue.own_names",
    "tf-2.15/own_layer_of_later_name": "TensorFlow 2.15.1 had none of this name",
    "tf-keras-2.21/own_layer_of_other_keys": "a custom class, from catalogue.own_names",
    "keras-3.15/own_layer_of_the_same_name": "a custom class, from catalogue.own_names",
}


@needs_cases
@pytest.mark.parametrize("file", OWN)
def test_a_custom_class_with_a_name_of_keras_is_refused(file):
    assert OWN[file] in refusal(CASES / file, kind=gru2np.UnsupportedModelError)


@pytest.mark.parametrize("case", RECORDED)
def test_what_each_keras_saves_of_it_is_refused(case):
    (path,) = fixture(case).parent.glob("model.*")
    found = refusal(path, kind=gru2np.UnsupportedModelError)
    assert RECORDED[case] in found
    assert "'own'" in found


def test_a_custom_object_may_have_a_name_of_keras():
    from gru2np_runtime import Layer

    class Doubled(Layer):
        """Twice its input; the options of the file mean nothing to it."""

        @classmethod
        def from_options(cls, options):
            return {}

        def forward(self, weights, x, mask=None):
            return x * 2

    own = {"GroupNormalization": Doubled}
    path = fixture("tf-2.10/own_layer_of_later_name")
    bundle = io.BytesIO()
    gru2np.export(path, bundle, custom_objects=own)
    model = load(bundle.getvalue(), custom_objects=own)
    assert "GroupNormalization" in str(model)


@needs_cases
@pytest.mark.parametrize(
    "file",
    [
        "mask_through_normalization/model.h5",
        "mask_through_normalization/model.keras",
        "mask_through_relu_layer/model.h5",
    ],
)
def test_masks_end_where_their_release_ended_them(file):
    bundle = io.BytesIO()
    gru2np.export(CASES / file, bundle)
    with np.load((CASES / file).parent / "io.npz") as data:
        arrays = {key: data[key] for key in data.files}
    y = load(bundle.getvalue()).predict(arrays["in0"])
    np.testing.assert_allclose(y, arrays["out0_0"], rtol=1e-5, atol=2e-6)


@needs_cases
def test_augmentation_in_a_graph_does_nothing_in_predict():
    exported = gru2np.export(CASES / "augmentation_in_graph" / "m.keras", io.BytesIO())
    assert any("is called with training=True" in note for note in exported.notes)


@needs_cases
@pytest.mark.parametrize("bundle", ["vocabulary.npz", "rows.npz"])
@needs_keras
def test_verify_draws_the_members_of_a_vocabulary(bundle):
    folder = CASES / "verify_integer_lookup"
    assert not gru2np.verify(folder / "m.keras", folder / bundle).agrees
