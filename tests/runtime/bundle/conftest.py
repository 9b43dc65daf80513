"""A small bundle and its manifest, which tests break in many ways."""

import json

import pytest

import goldens
from gru2np_runtime.bundle.container import MANIFEST, read_members


@pytest.fixture(scope="module")
def bundle():
    return goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru").bundle()


@pytest.fixture(scope="module")
def manifest(bundle):
    return json.loads(bytes(read_members(bundle)[MANIFEST]))
