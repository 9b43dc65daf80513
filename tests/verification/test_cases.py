"""The inputs that verify makes: what each case tries, and that it can be made again."""

from __future__ import annotations

import re

import numpy as np
import pytest

from goldens import FIXTURES, ROOT, Golden
from gru2np.convert import convert
from gru2np.errors import VerificationError
from gru2np.verification import cases
from gru2np.verification.comparison import FAR, SIMILAR
from gru2np_runtime import load

IDS = "keras-3.15/embedding_mask"
STEPS = "keras-3.15/gru"
MASKED = "keras-3.15/masking_sequential"
BINS = "keras-3.15/lookups"
STATEFUL = "keras-3.15/stateful_masked"


def drawn(name, seed=0, only=None):
    model, weights = Golden(FIXTURES / name).files()
    with convert(model, weights) as conversion:
        built = conversion.built
        weights = conversion.weights
        found = cases.draw(built.graph, weights, built.inputs.names, seed, only)
    return {case.name: case for case in found}


def single(case):
    (array,) = case.inputs.values()
    return array


def masked(name, case):
    """Where the only input of a model is padding, by its own mask value."""
    model, weights = Golden(FIXTURES / name).files()
    with convert(model, weights) as conversion:
        layers = conversion.built.graph.layers.values()
        (value,) = {x.mask_value for x in layers if x.op == "masking"}
    return (single(drawn(name)[case]) == np.float32(value)).all(-1)


def test_each_mask_pattern_is_what_it_is_called():
    right, left = masked(MASKED, "padded-right"), masked(MASKED, "padded-left")
    assert right.any()
    assert left.any()
    # Once masked, masked to the end; and from the beginning on.
    assert (right[:, 1:] >= right[:, :-1]).all()
    assert (left[:, 1:] <= left[:, :-1]).all()
    for ends in (right, left):
        assert not ends[0].any()
        assert not ends.all(-1).any()
    holes = masked(MASKED, "holes")
    assert holes.any()
    assert not holes.all(-1).any()
    whole = masked(MASKED, "masked-rows")
    assert list(whole.all(-1)) == [True, False, True]


def test_every_id_is_shown():
    found = drawn(IDS)["every-id"]
    with convert(Golden(FIXTURES / IDS).files()[0]) as conversion:
        layers = conversion.built.graph.layers.values()
        rows = max(x.input_dim for x in layers if x.op == "embedding")
    assert set(range(rows)) <= set(single(found).ravel())
    assert found.description == f"every id, 0 to {rows - 1}"


def test_how_much_of_a_large_table_is_tried_is_described(monkeypatch):
    monkeypatch.setattr(cases, "WORK", 1.0)
    description = drawn(IDS)["every-id"].description
    shown, of, total, ids = description.split()
    assert (of, ids) == ("of", "ids")
    assert int(shown) < int(total)


def test_free_time_is_tried_with_one_step_and_with_many():
    found = drawn(STEPS)
    assert single(found["one-step"]).shape[1] == 1
    assert single(found["long"]).shape[1] == max(cases.LONG)
    assert "one-step" not in drawn("keras-3.15/masking_gru")


def test_batches_of_one_and_odd_ones_are_tried_where_the_batch_is_free():
    found = drawn(STEPS)
    assert len(single(found["one-row"])) == 1
    assert len(single(found["odd-batch"])) % 2 == 1
    assert not {"one-row", "odd-batch"} & set(drawn(STATEFUL))


def test_large_numbers_and_zeros():
    found = drawn(STEPS)
    assert not single(found["zeros"]).any()
    assert np.abs(single(found["saturated"])).mean() > cases.LARGE / 2
    # Zeros there are nothing but padding.
    assert "zeros" not in drawn(IDS)
    assert "saturated" not in drawn(IDS)


def test_half_precision_is_not_tried_with_large_numbers():
    model, _ = Golden(FIXTURES / "tf-keras-2.21/mixed_bfloat16").files()
    with convert(model) as conversion:
        built = conversion.built
        weights, names = conversion.weights, built.inputs.names
        drawn = cases.draw(built.graph, weights, names, 0, half=True)
        found = {x.name for x in drawn}
    assert "typical" in found
    assert "saturated" not in found


def test_a_stateful_model_gets_several_calls_of_its_batch_in_every_case():
    model, _ = Golden(FIXTURES / STATEFUL).files()
    with convert(model) as conversion:
        batch = conversion.built.graph.inputs[0].shape[0]
    assert {len(single(case)) for case in drawn(STATEFUL).values()} == {3 * batch}


def test_one_case_alone_is_the_same_as_among_all():
    found = drawn(STEPS, seed=5)
    for name, case in found.items():
        alone = drawn(STEPS, seed=5, only=name)
        assert list(alone) == [name]
        np.testing.assert_array_equal(single(alone[name]), single(case))
        assert case.seed == 5
    other = drawn(STEPS, seed=6)
    assert (single(other["odd-batch"]) != single(found["odd-batch"])).any()


def test_a_case_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(VerificationError, match=r"no case 'holes'.*typical, one-step"):
        drawn(STEPS, only="holes")


@pytest.mark.parametrize(
    "name",
    [
        *(IDS, STEPS, MASKED, STATEFUL),
        "keras-3.15/dict_inputs",
        "keras-3.15/reversible_embedding",
        "tf-keras-2.21/categories",
        "keras-3.15/encoder_decoder",
        "keras-3.15/heads_mask_arguments",
        "keras-3.15/image_text",
        "keras-2.2/several_inputs_outputs",
    ],
)
def test_the_runtime_runs_every_case(name):
    model = load(Golden(FIXTURES / name).bundle())
    batch = model.input_shapes[0][0]
    for case in drawn(name).values():
        model.reset_states()
        model.predict(dict(case.inputs), batch)


def test_the_page_names_every_case_and_no_other():
    text = (ROOT / "docs" / "verify.md").read_text("utf-8")
    named = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    made = {*drawn(IDS), *drawn(STEPS), *drawn(BINS), cases.OTHERS}
    assert set(named) == made
    assert len(named) == len(made)
    assert f"{cases.LONG[0]} time steps" in text
    assert f"{cases.LARGE:.0f} times as large" in text
    assert f"({SIMILAR:.0f} times at most)" in text
    assert f"Above {FAR:.0f} tolerances" in text
