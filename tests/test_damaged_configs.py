"""Architectures damaged at random: refused with an error of ours, never a crash."""

import io
import json
import shutil

import pytest

import config_fuzz
import goldens
import gru2np
from json_sweep import WRONG, changes

# Small ones of every generation and container.
SWEPT = (
    "keras-1.0-theano/stateful_masked",
    "keras-1.0.5-theano/merge_branches",
    "keras-1.1-theano/merge_branches",
    "keras-1.2/merge_branches_json",
    "keras-1.2-theano/conv_lstm",
    "keras-2.0/bidirectional",
    "keras-2.0.4/ids_first",
    "keras-2.1/convolution_stack",
    "keras-2.1-cntk/stateful",
    "keras-2.2/gru_json",
    "keras-2.3/mask_concatenate_two",
    "keras-3.0/trained",
    "keras-3.3/bidirectional",
    "keras-3.5/mixed_stack",
    "keras-3.10/gru",
    "keras-3.15/dict_inputs",
    "keras-3.15/nested_sequential_shards",
    "tf-1.13/masking_gru",
    "tf-1.15/own_function_of_later_name",
    "tf-2.0/trained_savedmodel",
    "tf-2.4/trained",
    "tf-2.10/bidirectional_tfjs",
    "tf-2.12/shared_layers_checkpoint",
    "tf-2.13/nested_twice",
    "tf-2.15/dict_outputs",
    "tf-keras-2.21/gru",
)
PARTS = 23
# By name of the document, a case with it, and how much of its changes is a sample.
DOCUMENTS = {
    "metadata.json": ("keras-3.10/gru", 1),
    "model.json": ("tf-2.10/bidirectional_tfjs", 9),
    "model.weights.json": ("keras-3.10/bidirectional_shards", 2),
}
CASES = sorted(path.parent for path in goldens.FIXTURES.glob("*/*/case.json"))


@pytest.mark.parametrize("folder", sorted({case.parent.name for case in CASES}))
def test_damaged_anywhere(folder):
    for case in CASES:
        if case.parent.name == folder:
            config_fuzz.fuzz(case, 0, 1)


@pytest.mark.parametrize("case", SWEPT)
def test_each_value_is_another(case):
    """A sample of the sweep; ``make proof`` does all of it, of every fixture."""
    assert config_fuzz.sweep(goldens.FIXTURES / case, 3, PARTS) > 10


def test_the_sweep_finds_what_it_looks_for(monkeypatch):
    monkeypatch.setattr("gru2np.generations.records.array", lambda value, _: value)
    case = goldens.FIXTURES / "keras-2.2" / "nested_deep"
    with pytest.raises(AssertionError, match=r"sweep\(keras-2\.2/nested_deep, 0, 1\)"):
        config_fuzz.sweep(case, 0, 1)


def test_the_sweep_is_whole_and_takes_its_changes_back():
    document = {"a": [1, {"b": 2}], "c": None}
    text = json.dumps(document)
    every = list(changes(document))
    parts = [words for part in range(7) for words in changes(document, part, 7)]
    assert json.dumps(document) == text
    assert sorted(parts) == sorted(every)
    assert len(every) == len(set(every)) == 5 * len(WRONG) + 3
    assert "$.a[1].b removed" in every


@pytest.mark.parametrize("name", ["metadata.json", "model.json", "model.weights.json"])
def test_other_documents_of_a_model(name, tmp_path):
    """Versions, lists of arrays, lists of shards."""
    case, parts = DOCUMENTS[name]
    shutil.copytree(goldens.FIXTURES / case, tmp_path / "case")
    model, weights = goldens.Golden(tmp_path / "case").files()
    (path,) = (tmp_path / "case").rglob(name)
    document = json.loads(path.read_text("utf-8"))
    for words in changes(document, 1, parts):
        path.write_text(json.dumps(document), "utf-8")
        try:
            gru2np.export(model, io.BytesIO(), weights=weights)
        except gru2np.Gru2npError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}: {words}: {error!r}") from error


def test_the_fuzz_finds_what_it_looks_for(monkeypatch):
    """Without the check of what the search is after, it comes back with it."""
    monkeypatch.setattr("gru2np.generations.records.array", lambda value, _: value)
    case = goldens.FIXTURES / "keras-2.2" / "nested_deep"
    with pytest.raises(AssertionError, match=r"fuzz\(keras-2\.2/nested_deep, 0, 200\)"):
        config_fuzz.fuzz(case, 0, 200)


@pytest.mark.parametrize(
    "case",
    [
        "keras-3.15/arithmetic_h5",
        "keras-3.15/functions",
        "keras-3.15/slicing",
        "keras-3.15/pieces",
        "tf-1.15/slicing",
        "tf-1.15/functions",
        "tf-2.4/pieces",
        "tf-keras-2.21/slicing",
    ],
)
def test_operations_damaged_anywhere(case):
    config_fuzz.fuzz(goldens.FIXTURES / case, 1, 40)


def test_parts_of_what_is_damaged():
    """Whatever is named, of whatever is left of a model."""
    cases = goldens.some(CASES, 12)
    assert sum(config_fuzz.fuzz_parts(case, 0, 3) for case in cases) > 20
