"""Layers of the user's own: given by name, checked, and never found in a file."""

import io
import json
import pickle

import numpy as np
import pytest

import goldens
import gru2np
from example_files import example
from gru2np.errors import VerificationError
from gru2np_runtime import BundleError, InputError, Layer, load
from shared_files import ENTRIES, MODELS

CASES = ["keras-3.15/custom_layers", "tf-2.10/custom_layers"]
IN_TIME = "keras-3.15/custom_in_time"
OWN = example("custom_layer").CUSTOM


def golden(case):
    return goldens.Golden(goldens.FIXTURES / case)


def exported(case, own=OWN):
    out = io.BytesIO()
    gru2np.export(golden(case).files()[0], out, custom_objects=own)
    return out.getvalue()


def instead(**attributes):
    """The classes, the first one changed in these attributes."""
    kind = type("AttentionByHand", (OWN["AttentionByHand"],), attributes)
    return {**OWN, "AttentionByHand": kind}


@pytest.mark.parametrize("case", [*CASES, IN_TIME])
def test_a_custom_model_equals_keras(case):
    model = load(exported(case), custom_objects=OWN)
    outputs = goldens.flat(model.predict(golden(case).arrays(0, "x")[0]))
    for y, wanted in zip(outputs, golden(case).arrays(0, "y"), strict=True):
        golden(case).close(y, wanted)


@pytest.mark.parametrize("case", CASES)
def test_without_its_classes_a_model_is_refused_naming_them(case):
    with pytest.raises(gru2np.UnsupportedModelError) as refusal:
        exported(case, own=None)
    names = {
        problem.class_name.rpartition(">")[2] for problem in refusal.value.problems
    }
    assert names == set(OWN)


def test_a_bundle_names_the_class_it_needs():
    bundle = exported(CASES[0])
    with pytest.raises(BundleError, match=r"custom_objects=\{'AttentionByHand'"):
        load(bundle)
    with pytest.raises(BundleError, match="MixtureHead"):
        load(bundle, custom_objects={"AttentionByHand": OWN["AttentionByHand"]})


def test_an_option_that_the_class_does_not_declare_is_refused():
    class AttentionByHand(Layer):
        width: int

    with pytest.raises(gru2np.UnsupportedModelError, match="sharpness"):
        exported(CASES[0], {**OWN, "AttentionByHand": AttentionByHand})


def test_options_go_through_the_class():
    def from_options(options):
        assert options == {"width": 6, "sharpness": 1.5}
        return {"width": options["width"], "sharpness": 0.0}

    own = instead(from_options=staticmethod(from_options))
    y = load(exported(CASES[0], own), custom_objects=own).predict(
        golden(CASES[0]).arrays(0, "x")[0]
    )
    assert np.abs(y[0] - golden(CASES[0]).arrays(0, "y")[0]).max() > 1e-3


def test_weights_of_other_shapes_are_refused():
    own = instead(weight_shapes=lambda self, *shapes: {"W": (9, self.width)})
    with pytest.raises(gru2np.ModelFileError, match="attention"):
        exported(CASES[0], own)


@pytest.mark.parametrize("wrong", [dict, "MDN", Layer(), int])
def test_what_is_no_layer_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="expected a subclass"):
        exported(CASES[0], {"AttentionByHand": wrong})


def test_a_class_built_on_a_layer_is_not_taken_for_it():
    from gru2np_runtime import layers

    class Dense(layers.Dense):
        pass

    assert Dense.op != layers.Dense.op
    assert Dense(units=2).op == "custom>Dense"


def test_a_mask_reaches_the_class_that_uses_it():
    own = instead(uses_mask=False)
    y = load(exported(CASES[0], own), custom_objects=own).predict(
        golden(CASES[0]).arrays(0, "x")[0]
    )
    assert np.abs(y[0] - golden(CASES[0]).arrays(0, "y")[0]).max() > 1e-3


def test_a_mask_inside_time_distributed_is_refused_for_tf_keras():
    with pytest.raises(gru2np.UnsupportedModelError, match="size of the batch"):
        exported("tf-keras-2.21/custom_in_time")


def test_inspect_and_verify_support_custom_objects():
    case = golden(CASES[0])
    report = gru2np.inspect(case.files()[0], custom_objects=OWN)
    assert report.convertible
    assert "AttentionByHand" in {layer.class_name for layer in report.layers}
    x, y = case.arrays(0, "x"), case.arrays(0, "y")
    options = {"inputs": x[0], "custom_objects": OWN}
    assert gru2np.verify(case.files()[0], expected=y, **options).agrees
    with pytest.raises(VerificationError, match=r"AttentionByHand.*--expected"):
        gru2np.verify(case.files()[0], **options)


def test_a_model_with_them_is_pickled_with_their_names():
    model = MDN(output_dimension=2, num_mixtures=3)
    assert pickle.loads(pickle.dumps(model)).attributes() == model.attributes()


def test_wrong_data_is_an_input_error():
    model = load(exported(CASES[0]), custom_objects=OWN)
    with pytest.raises(InputError):
        model.predict(np.zeros((2, 5, 4), "float32"))


class SelfAttention(Layer):
    """As the weights of the file suggest; its author's formula is not known here."""

    attention_units: int

    def weight_shapes(self, *shapes):
        units = self.attention_units
        return {
            "W_attention": (shapes[0][-1], units),
            "b_attention": (units,),
            "u_attention": (units, 1),
        }

    def output_shapes(self, *shapes):
        return ((shapes[0][0], shapes[0][-1]),)

    def forward(self, weights, *inputs, mask=None):
        return inputs[0].mean(axis=1)


class MDN(Layer):
    """A mixture density head, three Dense layers side by side (keras-mdn-layer)."""

    output_dimension: int
    num_mixtures: int

    def weight_shapes(self, *shapes):
        several = self.output_dimension * self.num_mixtures
        sizes = {"mus": several, "sigmas": several, "pi": self.num_mixtures}
        found = {}
        for name, size in sizes.items():
            found[f"mdn_{name}/kernel"] = (shapes[0][-1], size)
            found[f"mdn_{name}/bias"] = (size,)
        return found

    def output_shapes(self, *shapes):
        size = (2 * self.output_dimension + 1) * self.num_mixtures
        return ((*shapes[0][:-1], size),)

    def forward(self, weights, *inputs, mask=None):
        mus, sigmas, pi = (
            inputs[0] @ weights[f"mdn_{name}/kernel"] + weights[f"mdn_{name}/bias"]
            for name in ("mus", "sigmas", "pi")
        )
        sigmas = np.where(sigmas > 0, sigmas, np.expm1(np.minimum(sigmas, 0)))
        return np.concatenate([mus, sigmas + 1 + 1e-8, pi], axis=-1)


THEIRS = {"MDN": MDN, "SelfAttention": SelfAttention}


@pytest.mark.skipif(not ENTRIES, reason="shared/models is not here")
@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry["status"] == "custom-layer"],
    ids=lambda entry: entry["model"],
)
def test_models_of_other_people(entry):
    folder, out = MODELS / entry["folder"], io.BytesIO()
    gru2np.export(folder / entry["model"], out, custom_objects=THEIRS)
    model = load(out.getvalue(), custom_objects=THEIRS)
    with np.load(folder / entry["oracle"]) as data:
        inputs = dict(
            zip(model.input_names, map(data.get, entry["inputs"]), strict=True)
        )
        outputs = goldens.flat(model.predict(inputs))
        for key, y in zip(entry["outputs"], outputs, strict=False):
            np.testing.assert_allclose(y, data[key], rtol=1e-4, atol=2e-5)
        taps = model.activations(inputs) if entry["taps"] else {}
        for tap in entry["taps"]:
            y = taps[tap.removeprefix("tap_")]
            np.testing.assert_allclose(y, data[tap], rtol=1e-4, atol=2e-5)
    assert json.dumps(entry["outputs"] + entry["taps"]) != "[]"
