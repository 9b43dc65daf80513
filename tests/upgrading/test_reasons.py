"""Reasons are sentences on what a layer does, never names of ours or raw values."""

import pytest

from gru2np.inspection.choices import MASKED_OUTPUT
from gru2np.upgrading.comparing import AttributeDiffers
from gru2np.upgrading.reasons import reason


def said(attribute, before, after):
    return reason(AttributeDiffers("layer", "layer", attribute, before, after))


@pytest.mark.parametrize("before", MASKED_OUTPUT)
@pytest.mark.parametrize("after", MASKED_OUTPUT)
def test_masked_steps_are_told_as_everywhere(before, after):
    text = said("masked_output", before, after)
    assert text.startswith(MASKED_OUTPUT[before])
    assert f"in Keras 3, {MASKED_OUTPUT[after]}" in text
    assert ("initial states" in text) == (before == "state")


@pytest.mark.parametrize(
    "attribute", ["activation", "function", "recurrent_activation"]
)
def test_hard_sigmoid_is_told_as_its_formula(attribute):
    slopes = [{"function": "hard_sigmoid", "slope": x} for x in (0.2, 1 / 6)]
    text = said(attribute, *slopes)
    assert "clip(0.2 * x + 0.5, 0, 1)" in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("attribute", "before", "after", "words"),
    [
        ("before", (1, 0), (), "steps before the first one: 1, 0"),
        ("dtype", "float64", "float32", "it computes in float64, in Keras 3 in"),
        ("least_norm", 1e-06, 1e-12, "a norm of at least 1e-06"),
        ("masked_scores", "added", "zeroed", "lowered by a large number"),
        ("skips_nan", False, True, "the place of a NaN"),
        ("whole", False, True, "in Keras 3, its vectors are integers"),
    ],
)
def test_both_meanings_are_told(attribute, before, after, words):
    text = said(attribute, before, after)
    assert words in text
    assert "_" not in text
    assert "nothing that Keras 3 has gives these numbers" in text


def test_any_other_attribute_has_its_own_name_in_words():
    text = said("some_option", 3, 4)
    assert text.startswith("some option is 3, in Keras 3 4, and nothing")
