"""Parts compared with Keras, which loads the whole model or gets placeholders."""

from __future__ import annotations

import copy
import json

import pytest

import gru2np
from gru2np.bundle import rewritten
from gru2np.convert import convert
from gru2np.errors import VerificationError
from gru2np.graph.parts import part_of
from gru2np.verification import part_in_keras, plain_config
from gru2np.verification.proof import record
from gru2np_runtime import load
from gru2np_runtime.bundle.container import read_members
from gru2np_runtime.bundle.opening import open_bundle
from modelfiles import golden
from needs_keras import needs_keras

MASKED = "keras-3.15/attention_masked"


def of(case, outputs=None, inputs=None):
    """A part of a fixture, converted; a context."""
    return convert(golden(case).files()[0], part=part_of(outputs, inputs))


def verified(case, bundle=None, outputs=None, inputs=None, x=None, **options):
    """The verification of a part of a fixture."""
    return gru2np.verify(
        golden(case).files()[0],
        bundle,
        inputs=x,
        part_outputs=outputs,
        part_inputs=inputs,
        **options,
    )


@needs_keras
@pytest.mark.parametrize(
    ("case", "outputs", "inputs"),
    [
        ("keras-2.2/ctc_training", "letters", None),
        ("keras-3.15/ctc_training", "letters", None),
        ("keras-2.2/several_gpus", "model_1#1", "lambda_2"),
        ("keras-3.15/from_texts", None, "ids"),
    ],
)
def test_a_part_of_a_model_that_is_refused_agrees_with_keras(case, outputs, inputs):
    """Keras gets placeholders, and the weights stay with their layers."""
    verification = verified(case, outputs=outputs, inputs=inputs)
    assert verification.agrees
    assert "was given placeholders for" in "\n".join(verification.notes)


@needs_keras
@pytest.mark.parametrize(
    ("case", "outputs", "inputs"),
    [
        (MASKED, None, "mask_q,mask_v"),
        (MASKED, "mask_v,mask_v:mask,both", None),
        ("tf-keras-2.21/encoder_decoder", None, "encoder:1,encoder:2"),
        ("tf-keras-2.21/nested_sequential", "sequential_1/gru_1", "sequential"),
    ],
)
def test_a_part_agrees_with_the_whole_model_in_keras(case, outputs, inputs):
    verification = verified(case, outputs=outputs, inputs=inputs, layers=True)
    assert verification.agrees
    assert verification.first_difference is None
    assert not any("placeholders" in note for note in verification.notes)


@needs_keras
def test_a_call_of_a_layer_whose_other_call_is_an_input():
    """Keras 3 cannot make such a model, so its layers are called one by one."""
    assert verified("keras-3.15/shared_layers", inputs="encoder#1").agrees


@needs_keras
def test_a_mask_that_is_ignored_is_found(tmp_path):
    """A bundle that does not use the mask at the cut differs from Keras."""
    bundle = tmp_path / "part.npz"
    gru2np.export(golden(MASKED).files()[0], bundle, inputs="mask_q,mask_v")
    data = bundle.read_bytes()
    manifest = json.loads(bytes(read_members(data)["manifest.json"]))
    for node in manifest["graph"]["nodes"]:
        if node["name"] == "after":
            del node["mask"]
    bundle.write_bytes(rewritten(data, manifest))
    verification = verified(MASKED, bundle)
    assert not verification.agrees
    assert {pair.name for pair in verification.outputs if not pair.agrees} == {"after"}


@needs_keras
def test_a_bundle_of_a_part_is_verified_and_recorded_as_such(tmp_path):
    case, bundle = golden("tf-keras-2.21/encoder_decoder"), tmp_path / "part.npz"
    gru2np.export(case.files()[0], bundle, outputs="gru_encoder")
    verification = gru2np.verify(case.files()[0], bundle)
    assert [pair.name for pair in verification.outputs] == ["gru_encoder"]
    record(bundle, verification)
    assert open_bundle(bundle).manifest.part["outputs"] == ["gru_encoder"]
    assert load(bundle, check=True).output_names == ["gru_encoder"]


def test_a_bundle_of_another_part_is_refused(tmp_path):
    case, bundle = "keras-2.2/encoder_decoder", tmp_path / "part.npz"
    gru2np.export(golden(case).files()[0], bundle, outputs="encoder")
    with pytest.raises(VerificationError, match="a bundle of --outputs encoder, and"):
        verified(case, bundle, outputs="scores")
    gru2np.export(golden(case).files()[0], bundle)
    with pytest.raises(VerificationError, match="a bundle of the whole model, and not"):
        verified(case, bundle, outputs="scores")


def test_recorded_outputs_of_a_part_need_no_keras():
    case = golden("keras-2.2/ctc_training")
    (x,), (y,) = case.arrays(0, "x"), case.arrays(0, "y")
    verification = verified(case.name, outputs="letters", inputs=None, expected=y, x=x)
    assert verification.agrees
    assert verification.reference == "recorded outputs"


def test_what_the_child_is_asked_for():
    with of(MASKED, inputs="mask_q,mask_v") as conversion:
        asked = part_in_keras.request(conversion)
    named = {item["name"]: item for item in asked["inputs"]}
    assert list(named) == ["mask_q", "mask_v", "mask_q_mask", "mask_v_mask"]
    assert named["mask_v_mask"]["mask_of"] == "mask_v"
    # The masks that calls of Keras 3 are given are tensors of the file.
    paths = [tensor["path"] for tensor in named["mask_q_mask"]["tensors"]]
    assert paths == [["convert_to_tensor"]]
    assert named["mask_q"]["carried"] is True
    assert asked["whole"]
    with of("keras-2.2/gru") as conversion:
        assert part_in_keras.request(conversion) is None


def test_placeholders_stand_for_what_is_not_in_the_part():
    with of("keras-2.2/ctc_training", "letters") as conversion:
        config, _ = plain_config.plain(conversion, keras2=True)
        config, gone = part_in_keras.with_placeholders(conversion, config)
    assert gone == ["ctc"]
    (spec,) = [x for x in config["config"]["layers"] if x["name"] == "ctc"]
    assert spec["class_name"] == "gru2np.left_out>Lambda"
    assert "function" not in json.dumps(spec)
    assert spec["inbound_nodes"]


def test_code_inside_a_layer_of_the_part_is_never_given_to_keras():
    with of("keras-2.2/ctc_training", "letters") as conversion:
        config, _ = plain_config.plain(conversion, keras2=True)
        config = copy.deepcopy(config)
        layers = config["config"]["layers"]
        both = next(x for x in layers if x["name"] == "both")
        both["config"]["layer"] = {"class_name": "Lambda", "config": {"name": "f"}}
        with pytest.raises(VerificationError, match="with code of the file"):
            part_in_keras.with_placeholders(conversion, config)
