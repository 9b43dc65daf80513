"""What a model prints of itself."""

import pytest

from goldens import loaded
from gru2np_runtime import InputError


@pytest.fixture(scope="module")
def gru():
    return loaded("keras-3.15/get_weights_explained")


def test_a_summary_lists_the_layers(gru, capsys):
    _, model = gru
    model.summary()
    printed = capsys.readouterr().out
    assert "GRU" in printed
    assert "(None, 2)" in printed
    assert model.count_params() == 6 + 12 + 12 + 2 + 1
    layer = model.layers[0]
    assert model.get_layer(layer.name).weights["kernel"].shape == (1, 6)
    assert model.input_names == ["input_layer"]
    assert model.input_shapes == [(None, 3, 1)]
    assert model.output_shapes == [(None, 1)]
    with pytest.raises(InputError, match="no layer 'other'; the model has"):
        model.get_layer("other")
