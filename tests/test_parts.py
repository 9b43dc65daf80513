"""Parts of real models that cannot be converted as a whole, with Keras' own numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gru2np
from command_line import run
from exports import exported, refusal
from goldens import flat, parts
from gru2np_runtime.bundle.opening import open_bundle
from modelfiles import golden

CTC = [f"{x}/ctc_training" for x in ("keras-2.2", "tf-keras-2.21", "keras-3.15")]


@pytest.mark.parametrize("case", parts(), ids=lambda case: case.name)
def test_a_part_gives_the_numbers_of_keras(case):
    """A loss that is code, towers on two GPUs, texts: all outside of the part."""
    model, weights = case.files()
    refusal(model, weights, kind=gru2np.UnsupportedModelError)
    part, about = exported(model, weights=weights, **case.facts["part"])
    for call in range(case.calls):
        arrays = case.arrays(call, "x")
        outputs = flat(part.predict(dict(zip(part.input_names, arrays, strict=True))))
        for y, expected in zip(outputs, case.arrays(call, "y"), strict=True):
            case.close(y, expected)
    assert "does not need" in "\n".join(about.notes)


def test_there_are_fixtures_of_every_kind():
    names = [case.name for case in parts()]
    assert {*CTC, "keras-2.2/several_gpus", "keras-3.15/from_texts"} <= set(names)


def test_scores_of_attention_are_its_second_output():
    """The part needs the masks of query and value, and makes them from its inputs."""
    case = golden("keras-3.15/attention_masked")
    names = case.facts["output_names"]
    model, _ = exported(case.files()[0], outputs="scores:1,scores")
    arrays = dict(zip(["q", "v"], case.arrays(0, "x"), strict=True))
    weights, y = model.predict({name: arrays[name] for name in model.input_names})
    first = names.index("scores")
    case.close(y, case.arrays(0, "y")[first])
    case.close(weights, case.arrays(0, "y")[first + 1])


def test_a_decoder_without_attention_streams():
    """Encoded once, then one step after the other: what Keras gave for the whole."""
    case = golden("keras-2.2/encoder_decoder")
    model = case.files()[0]
    source, target = case.arrays(0, "x")
    encoder, _ = exported(model, outputs="encoder:1,encoder:2")
    decoder, _ = exported(model, outputs="scores", inputs=encoder.output_names)
    h, c = encoder.predict(source)
    state, steps = decoder.initial_state(len(source)), []
    for x in target.swapaxes(0, 1):
        y, state = decoder.step([h, c, x], state)
        steps.append(y)
    case.close(np.stack(steps, axis=1), case.arrays(0, "y")[0])


def test_every_tower_has_the_same_weights():
    case = golden("keras-2.2/several_gpus")
    first, second = (
        exported(case.files()[0], inputs=f"lambda_{n + 1}", outputs=f"model_1#{n}")[0]
        for n in range(2)
    )
    (x,) = case.arrays(0, "x")
    np.testing.assert_array_equal(first.predict(x), second.predict(x))


def test_what_reads_texts_gets_ids_and_their_mask_comes_from_them():
    model, about = exported(golden("keras-3.15/from_texts").files()[0], inputs="ids")
    (port,) = model.graph.inputs
    assert (port.name, port.shape, port.dtype) == ("ids", (None, 9), "int64")
    assert "carries a mask" not in str(about)
    lstm = next(node for node in model.graph.nodes if node.name == "lstm")
    assert lstm.mask is not None


@pytest.mark.parametrize("case", CTC)
def test_the_way_on_is_said_and_is_one(case):
    model = golden(case).files()[0]
    way = "convert the part of the model before it: --outputs letters"
    assert refusal(model).endswith(f"\nOr {way}")
    report = gru2np.inspect(model)
    assert report.ways_on == (way,)
    assert way in " ".join(str(report).split())
    assert gru2np.inspect(model, outputs="letters").convertible


def test_inspect_describes_the_part():
    case = golden("keras-2.2/several_gpus")
    report = gru2np.inspect(case.files()[0], **case.facts["part"])
    assert [tensor.name for tensor in report.inputs] == ["lambda_1"]
    assert [tensor.name for tensor in report.outputs] == ["model_1#0"]
    assert report.part == {"inputs": ["lambda_1"], "outputs": ["model_1#0"]}
    assert "part         from lambda_1 to model_1#0" in str(report)
    whole = gru2np.inspect(case.files()[0])
    assert whole.ways_on == (
        "convert the part of the model behind them: --inputs lambda_1,lambda_2",
    )


def test_a_bundle_says_which_part_it_is(tmp_path):
    case = golden("keras-2.2/ctc_training")
    out = tmp_path / "letters.npz"
    gru2np.export(case.files()[0], out, outputs=["letters"])
    assert open_bundle(out).manifest.part == {"inputs": [], "outputs": ["letters"]}
    report = gru2np.inspect(out)
    assert report.part == {"inputs": [], "outputs": ["letters"]}
    assert "part         to letters" in str(report)
    with pytest.raises(gru2np.InputError, match="a bundle has no parts"):
        gru2np.inspect(out, outputs="letters")
    whole = golden("keras-2.2/gru")
    gru2np.export(whole.files()[0], out)
    assert open_bundle(out).manifest.part is None


def test_the_command_takes_both_options(tmp_path):
    model = golden("keras-2.2/several_gpus").files()[0]
    target = tmp_path / "tower.npz"
    options = ("--inputs", "lambda_1", "--outputs", "model_1#0", "--json")
    done = run("export", model, "-o", target, *options)
    assert done.exit_code == 0
    notes = json.loads(done.stdout)["notes"]
    assert any("the model's input 'steps', which is left out" in note for note in notes)
    shown = run("inspect", model, *options[:4])
    assert "part         from lambda_1 to model_1#0" in shown.stdout
    wrong = run("export", model, "-o", target, "-f", "--outputs", "nothing")
    assert wrong.exit_code == 3
    assert "--outputs nothing: no layer is named 'nothing'" in wrong.stderr


def test_verify_takes_both_options_too(tmp_path):
    case = golden("keras-2.2/several_gpus")
    np.save(tmp_path / "x.npy", case.arrays(0, "x")[0])
    np.save(tmp_path / "y.npy", case.arrays(0, "y")[0])
    given = ("--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy", "--json")
    part = ("--inputs", "lambda_1", "--outputs", "model_1#0")
    done = run("verify", case.files()[0], *part, *given)
    assert done.exit_code == 0
    assert [output["name"] for output in json.loads(done.stdout)["outputs"]] == [
        "model_1#0"
    ]
    assert run("verify", case.files()[0], *given).exit_code == 3
