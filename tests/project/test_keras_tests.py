"""The tests of Keras' own layers, as models: what is harvested, run and written."""

from __future__ import annotations

import pytest

from needs_keras import needs_keras
from proof import keras_tests
from proof.keras_tests import EQUAL, REFUSED, Result


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["reshaping.flatten_test", "core.embedding_test"])
def test_nothing_is_wrong(name):
    """Plain layers, and layers that are quantised too."""
    module = f"keras.src.layers.{name}"
    assert module in keras_tests.files()
    tests = keras_tests.tests_of(module)
    assert len(tests) > 2
    found = [result for test in tests[:2] for result in keras_tests.results(test)]
    assert {result.outcome for result in found} == {EQUAL}
    modes = 1 + len(keras_tests.QUANTIZED.get(tests[0].kind.__name__, ()))
    assert len(found) == 2 * modes * len(keras_tests.SUFFIXES)


def test_the_page_counts_outcomes_and_reasons():
    found = [
        Result("a#0", "Dense", ".keras", EQUAL, ""),
        Result("a#0", "Dense", ".h5", REFUSED, "a | b"),
        Result("a#1", "Dense", ".h5", REFUSED, "a | b"),
    ]
    text = keras_tests.page(found, "3.15.1")
    assert "| converted, equal | 1 | 0 |" in text
    assert "| refused | 0 | 2 |" in text
    assert "| Dense | 2 | a \\| b |" in text
    assert "## Converted" not in text
