"""A mark of tests that run a real Keras, which ``gru2np[verify]`` installs."""

from importlib.util import find_spec

import pytest

MISSING = find_spec("tensorflow") is None or find_spec("tf_keras") is None
MARKS = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(MISSING, reason="needs gru2np[verify]: no TensorFlow here"),
]


def needs_keras(test):
    """Mark a test; it is skipped, with the reason, where there is no Keras."""
    for mark in MARKS:
        test = mark(test)
    return test
