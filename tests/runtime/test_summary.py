"""What a model prints of itself."""

import json

import pytest

from bundle_edits import first_layer, written
from goldens import FIXTURES, Golden, loaded
from gru2np_runtime import BundleError, InputError, load
from gru2np_runtime.bundle.container import MANIFEST, read_members


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


# What a terminal would take as a command, and what turns the text around.
CODES = "a\x1b[2J\r\u202eb"


def test_names_in_a_bundle_give_a_terminal_no_commands():
    """Names are those of the model; they are shown with ? for what is no character."""
    data = Golden(FIXTURES / "keras-2.2" / "gru").bundle()
    manifest = json.loads(bytes(read_members(data)[MANIFEST]))
    manifest["name"] = CODES
    first_layer(manifest)["keras"]["name"] = CODES
    model = load(written(data, manifest))
    assert model.name == CODES
    assert str(model).startswith("a?[2J??b: ")
    assert str(model).count("a?[2J??b") == 2
    assert all(line.isprintable() for line in str(model).split("\n"))
    manifest["inputs"]["kind"] = CODES
    with pytest.raises(BundleError) as caught:
        load(written(data, manifest))
    assert "got `a?[2J??b`" in str(caught.value)
    assert str(caught.value).isprintable()
