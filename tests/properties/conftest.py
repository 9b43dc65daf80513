"""Random models run a real Keras in the process of the tests."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

# Both are read when the packages are first imported, which is inside of a test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_collection_modifyitems(items):
    """These tests run a real Keras in this process; skipped where there is none."""
    missing = find_spec("tensorflow") is None or find_spec("tf_keras") is None
    skip = pytest.mark.skipif(
        missing, reason="needs gru2np[verify]: no TensorFlow here"
    )
    for item in items:
        if item.path.parent.name == "properties":
            item.add_marker(pytest.mark.tensorflow)
            item.add_marker(skip)
            # What Keras itself warns of while it builds is not ours to judge.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_terminal_summary(terminalreporter):
    """What became of the examples: compared, refused, or not built by Keras."""
    from properties.checking import OUTCOMES

    if OUTCOMES:
        terminalreporter.section("random models")
        for outcome, count in OUTCOMES.most_common():
            terminalreporter.write_line(f"{count:6} {outcome}")
