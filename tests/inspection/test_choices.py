"""What a model's numbers mean, in sentences."""

import gru2np
from gru2np.inspection import choices
from gru2np_runtime.layers.recurrent import MASKED_OUTPUTS
from modelfiles import fixture


def test_meaning_is_given_only_where_it_concerns_a_layer():
    sentences = gru2np.inspect(fixture("keras-3.15/dense", "model.keras")).meaning
    assert sentences == ()
    case = "hard_sigmoid_everywhere"
    old = gru2np.inspect(fixture(f"keras-2.2/{case}"))
    assert old.meaning[0].startswith("hard_sigmoid is clip(0.2 * x + 0.5, 0, 1), as in")
    new = gru2np.inspect(fixture(f"keras-3.15/{case}", "model.keras"))
    assert new.meaning[0].startswith("hard_sigmoid is clip(x / 6 + 0.5, 0, 1), as in")


def test_an_option_that_the_file_does_not_say():
    report = gru2np.inspect(fixture("keras-2.1/mixed_stack"))
    told = [s for s in report.meaning if s.startswith("reset_after is")]
    assert len(told) == 1
    assert "the file has no such option (" in told[0]
    said = gru2np.inspect(fixture("keras-2.2/masking_gru")).meaning
    assert not any(s.startswith("reset_after is") for s in said)


def test_masks_are_reported():
    report = gru2np.inspect(fixture("keras-2.2/mask_bidirectional"))
    by_path = {layer.path: layer for layer in report.layers}
    assert not any("#" in path for path in by_path)
    assert by_path["gru"].mask == "masking_1"
    assert any(s.startswith("at a masked step") for s in report.meaning)
    halves = [gates.layer for gates in report.gates if gates.layer.startswith("all/")]
    assert halves == ["all/forward_layer", "all/backward_layer"]
    inside = [layer.path for layer in by_path["all"].inside]
    assert inside == halves
    nested = gru2np.inspect(fixture("keras-2.2/mask_time_distributed"))
    (model,) = nested.layers[0].inside
    assert [child.class_name for child in model.inside] == ["Embedding", "LSTM"]
    assert "(time_distributed_1/layer/lstm_1)" in nested.meaning[1]
    merged = gru2np.inspect(fixture("keras-2.2/mask_merges_two")).meaning
    assert any("merge layer" in s for s in merged)


def test_half_precision_and_stateful_are_mentioned():
    half = gru2np.inspect(fixture("keras-3.15/mixed_float16", "model.keras"))
    assert any("computed in float32" in s for s in half.meaning)
    stateful = gru2np.inspect(fixture("keras-2.2/stateful"))
    assert any(s.startswith("states are kept") for s in stateful.meaning)


def test_every_masked_output_has_its_sentence():
    assert set(choices.MASKED_OUTPUT) == set(MASKED_OUTPUTS)


def test_a_list_in_a_sentence_has_a_line_for_each_item():
    text = str(gru2np.inspect(fixture("keras-3.15/stateful", "model.keras")))
    lines = text.partition("\nMeaning\n")[2].partition("\n\n")[0].splitlines()
    for layer in ("gru", "lstm", "simple_rnn"):
        assert any(line.startswith(f"      - layer {layer!r}: ") for line in lines)


def test_the_folders_of_a_saved_model_count_for_its_size():
    folder = fixture("tf-2.0/bidirectional_cells_savedmodel", "model")
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = gru2np.inspect(folder)
    assert found.size == sum(path.stat().st_size for path in files)
    assert "container    SavedModel folder, " in str(found)
