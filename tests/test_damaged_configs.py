"""Architectures damaged at random: refused with an error of ours, never a crash."""

import pytest

import config_fuzz
import goldens

CASES = sorted(path.parent for path in goldens.FIXTURES.glob("*/*/case.json"))


@pytest.mark.parametrize("folder", sorted({case.parent.name for case in CASES}))
def test_damaged_anywhere(folder):
    for case in CASES:
        if case.parent.name == folder:
            config_fuzz.fuzz(case, 0, 3)


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
    config_fuzz.fuzz(goldens.FIXTURES / case, 1, 100)


def test_parts_of_what_is_damaged():
    """Whatever is named, of whatever is left of a model."""
    cases = goldens.some(CASES, 12)
    assert sum(config_fuzz.fuzz_parts(case, 0, 3) for case in cases) > 20
