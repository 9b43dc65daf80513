"""Names of layers as safe components of paths."""

import pytest

from gru2np_runtime.bundle.manifest_writer import encode_name

NAMES = {
    "gru": "gru",
    "two words": "two words",
    "a/b": "a%2Fb",
    "é": "%C3%A9",
    "..": "%2E%2E",
    ".": "%2E",
    "a#1": "a%231",
    "100%": "100%25",
    'quote"\n': "quote%22%0A",
    "v1.2": "v1.2",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_safe_components(name):
    assert encode_name(name) == NAMES[name]
