"""Bundles: the same bytes each time, and the names that layers have in them."""

import pytest

import goldens
from gru2np_runtime import load

KERAS_2 = goldens.FIXTURES / "keras-2.2"
KERAS_3 = goldens.FIXTURES / "keras-3.15"


def bundle_of(folder):
    return goldens.Golden(folder).bundle()


@pytest.mark.parametrize("case", ["gru", "mask_bidirectional", "nested_deep"])
@pytest.mark.parametrize("generation", [KERAS_2, KERAS_3], ids=lambda p: p.name)
def test_the_same_export_twice_is_the_same_bytes(generation, case):
    assert bundle_of(generation / case) == bundle_of(generation / case)


def test_layers_keep_their_names():
    model = load(bundle_of(KERAS_2 / "slash_names"))
    names = [layer.name for layer in model.layers]
    assert any("/" in name for name in names)
    assert model.get_layer(names[0]).name == names[0]
