"""The tests of Keras' own layers, as models: what is harvested, run and written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from needs_keras import needs_keras
from proof import ROOT, keras_tests
from proof.keras_tests import EQUAL, REFUSED, Result

# In a process of its own: Keras' tests use marks that pytest does not know here.
CODE = """
import sys
from proof import ROOT, keras_tests
module = sys.argv[1]
assert module in keras_tests.files()
saved_by = sys.argv[2] or None
for test in keras_tests.tests_of(module)[:2]:
    for result in keras_tests.results(test, saved_by=saved_by):
        print(result.outcome, result.suffix, result.layer, sep="|")
"""


@needs_keras
@pytest.mark.parametrize(
    ("module", "layers", "saved_by", "outcome"),
    [
        ("reshaping.flatten_test", {"Flatten"}, "", EQUAL),
        (
            "core.embedding_test",
            {"Embedding", "Embedding, int4", "Embedding, int8"},
            "",
            EQUAL,
        ),
        # Every file says that this is not so.
        ("reshaping.flatten_test", {"Flatten"}, "3.0.5", REFUSED),
    ],
)
def test_nothing_is_wrong(module, layers, saved_by, outcome):
    """Plain layers, and layers that are quantised too."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", CODE),
            *(f"keras.src.layers.{module}", saved_by),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [tuple(line.split("|")) for line in done.stdout.split("\n") if "|" in line]
    assert set(rows) == {
        (outcome, suffix, layer) for suffix in keras_tests.SUFFIXES for layer in layers
    }


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
