"""What a model prints of itself, beside what Keras prints of it."""

import json
import pickle
import re

import numpy as np
import pytest

from bundle_edits import first_layer, written
from goldens import FIXTURES, Golden, loaded
from gru2np_runtime import BundleError, InputError, State, layers, load
from gru2np_runtime.bundle.container import MANIFEST, read_members
from gru2np_runtime.summary import layer_named

# Rows of summary(expand_nested=True) in Keras 3.15.1, without those of inputs and of
# nested models, whose names are put before those of the layers in them.
KERAS = {
    "nested_deep": """
        outer/middle/dense_1 | Dense | (None, 5, 4) | 12
        outer/middle/innermost/gru | GRU | (None, 5, 3) | 81
        outer/middle/innermost/dense | Dense | (None, 5, 4) | 16
        outer/middle/lstm | LSTM | (None, 3) | 96
        outer/outer_dense | Dense | (None, 2) | 8
        activation | Activation | (None, 2) | 0
    """,
    "mask_merges_two": """
        not_equal | NotEqual | (None, 6, 3) | 0
        not_equal_1 | NotEqual | (None, 6, 3) | 0
        mask_x | Masking | (None, 6, 3) | 0
        mask_z | Masking | (None, 6, 3) | 0
        any | Any | (None, 6) | 0
        any_1 | Any | (None, 6) | 0
        add | Add | (None, 6, 3) | 0
        logical_or | LogicalOr | (None, 6) | 0
        multiply | Multiply | (None, 6, 3) | 0
        logical_or_1 | LogicalOr | (None, 6) | 0
        average | Average | (None, 6, 3) | 0
        logical_or_2 | LogicalOr | (None, 6) | 0
        maximum | Maximum | (None, 6, 3) | 0
        logical_or_3 | LogicalOr | (None, 6) | 0
        add_lstm | LSTM | (None, 2) | 48
        multiply_lstm | LSTM | (None, 2) | 48
        average_lstm | LSTM | (None, 2) | 48
        maximum_lstm | LSTM | (None, 2) | 48
    """,
    "stateful_shared": """
        a | Dense | (3, 4, 2) | 6
        chain | SimpleRNN | (3, 4, 2) | 10
        lstm | LSTM | (3, 3) | 72
        b | Dense | (3, 4, 2) | 6
        between | Dense | (3, 4, 2) | 6
        gru | GRU | (3, 4, 4) | 96
        c | Dense | (3, 2) | 8
        inner/inside | GRU | (3, 4, 2) | 36
        both | Bidirectional | (3, 4, 4) | 72
    """,
    "heads_mask_arguments": """
        after | MultiHeadAttention | (None, 5, 4) | 106
        both | MultiHeadAttention | (None, 5, 4) | 106
        value | MultiHeadAttention | (None, 5, 4) | 106
        key | MultiHeadAttention | (None, 5, 4) | 106
        gru | GRU | (None, 2) | 48
    """,
    "encoder_decoder": """
        encoder | LSTM | [(None, 4), (None, 4), (None, 4)] | 128
        decoder | LSTM | [(None, None, 4), (None, 4), (None, 4)] | 112
        gru_encoder | GRU | [(None, 3), (None, 3)] | 72
        scores | Dense | (None, None, 5) | 25
        gru_decoder | GRU | (None, None, 3) | 63
    """,
    "bidirectional": """
        bidirectional | Bidirectional | (None, None, 6) | 180
        bidirectional_1 | Bidirectional | (None, 4) | 144
        dense | Dense | (None, 4) | 20
    """,
    "mask_bidirectional_shared": """
        inner/activation | Activation | (None, 6, 3) | 0
        inner/masking | Masking | (None, 6, 3) | 0
        both | Bidirectional | (None, 6, 4) | 84
    """,
    "several_inputs_outputs": """
        encoded | GRU | (None, 5) | 165
        joined | Concatenate | (None, 8) | 0
        label | Dense | (None, 2) | 18
        score | Dense | (None, 1) | 6
    """,
}


@pytest.mark.parametrize("case", KERAS)
def test_a_summary_lists_what_keras_lists(case):
    golden, model = loaded(f"keras-3.15/{case}")
    expected = [re.split(r" +\| +", row.strip()) for row in KERAS[case].split("\n")]
    expected = [row for row in expected if len(row) == 4]
    title, header, _, *lines = str(model).split("\n")
    assert header.split()[0] == "layer"
    rows = [re.split("  +", line) for line in lines]
    assert [
        (name, kind.replace("ops.", ""), shape, params)
        for name, kind, shape, params in rows
    ] == [
        (name, kind, shape.strip("[]"), params)
        for name, kind, shape, params in expected
    ]
    x = dict(zip(model.input_names, golden.arrays(0, "x")))
    calls = [name for name in model.activations(x) if not re.search(r"#\d", name)]
    assert calls == [row[0] for row in expected]
    total = sum(int(row[3].replace(",", "")) for row in expected)
    assert title.endswith(f", {total:,} parameters")


def test_a_summary_lists_the_layers(capsys):
    _, model = loaded("keras-3.15/get_weights_explained")
    model.summary()
    printed = capsys.readouterr().out
    assert printed.startswith(
        "sequential of Keras 3.15.1: input_layer (None, 3, 1) -> dense (None, 1), "
        "33 parameters\n"
    )
    assert model.count_params() == 6 + 12 + 12 + 2 + 1
    layer = model.layers[0]
    assert model.get_layer(layer.name).weights["kernel"].shape == (1, 6)
    assert repr(layer) == "<GRU 'gru', 30 parameters>"
    assert model.input_names == ["input_layer"]
    assert model.input_shapes == [(None, 3, 1)]
    assert model.output_shapes == [(None, 1)]
    with pytest.raises(InputError, match="no layer 'other'; the model has"):
        model.get_layer("other")


def test_a_layer_has_the_name_that_it_has_in_keras():
    golden, model = loaded("keras-3.10/odd_names")
    (x,) = golden.arrays(0, "x")
    names = ["gru 1.5", "größe_модель", 'it\'s "dense"', "vars"]
    assert [layer.name for layer in model.layers] == names
    assert list(model.activations(x)) == names
    _, model = loaded("keras-2.2/slash_names")
    assert model.get_layer("part/gru").class_name == "GRU"


def test_a_name_that_several_nested_models_have_is_said_whole():
    _, model = loaded("keras-3.15/nested_same_names")
    # That of the outer model is its whole name.
    assert model.get_layer("gru").name == "gru"
    assert model.get_layer("left/gru").name == "left/gru"
    _, deep = loaded("keras-3.15/nested_deep")
    assert deep.get_layer("lstm").name == "outer/middle/lstm"
    inside = [layer for layer in model.layers if "/" in layer.name]
    with pytest.raises(
        InputError, match=r"2 layers are called 'gru': .* 'left/gru', 'right/gru'"
    ):
        layer_named(inside, "gru")


def test_a_model_in_a_shell_says_what_it_is():
    _, model = loaded("keras-3.15/dict_outputs")
    expected = (
        "<gru2np model functional of Keras 3.15.1: left (None, 4, 3), right (None, 2) "
        "-> encoded (None, 5), rate (None, 2), tag (None, 3), 184 parameters>"
    )
    assert repr(model) == repr(pickle.loads(pickle.dumps(model))) == expected
    gru = layers.GRU(units=2, reset_after=False).bind(
        kernel=np.ones((3, 6)), recurrent_kernel=np.ones((2, 6)), bias=np.ones(6)
    )
    assert repr(gru) == (
        "<gru2np model gru: x (None, None, 3) -> gru (None, 2), 36 parameters>"
    )


def test_a_state_in_a_shell_says_what_it_holds():
    _, model = loaded("keras-3.15/nested_deep")
    state = model.initial_state(batch_size=2)
    shown = (
        "<gru2np state: batch size 2; outer/middle/innermost/gru (2, 3); "
        "outer/middle/lstm (2, 3), (2, 3)>"
    )
    assert repr(state) == repr(state.copy()) == shown
    _, state = model.step(np.ones((2, 2)), state)
    assert repr(state) == shown
    assert '<td style="text-align: left">(2, 3), (2, 3)</td>' in state._repr_html_()


def test_a_name_of_a_stranger_steers_no_terminal():
    wild = "\x1b[2J<b>"
    state = State({wild: None}, batch_size=1)
    assert repr(state) == (
        "<gru2np state: batch size 1; ?[2J<b> the initial state is an input>"
    )
    assert "?[2J&lt;b&gt;" in state._repr_html_()
    _, model = loaded("keras-3.15/gru")
    model.name = wild
    assert repr(model).startswith("<gru2np model ?[2J<b> of Keras")
    assert "<b>" not in model._repr_html_()


def test_a_notebook_shows_the_summary():
    golden = Golden(FIXTURES / "keras-3.10" / "odd_names")
    _, model = loaded(golden.name)
    shown = model._repr_html_()
    assert "of Keras 3.10.0: the input (None, 5, 3) -&gt; vars (None, 2)" in shown
    assert shown.count("<tr>") == 1 + len(model.layers)
    assert "größe_модель" in shown
    assert "<script" not in shown


# What a terminal would take as a command, and what turns the text around.
CODES = "a\x1b[2J\r\u202eb"


def test_names_in_a_bundle_give_a_terminal_no_commands():
    """Names are those of the model; they are shown with ? for what is no character."""
    data = Golden(FIXTURES / "keras-2.2" / "gru").bundle()
    manifest = json.loads(bytes(read_members(data)[MANIFEST]))
    manifest["name"] = CODES
    first_layer(manifest)["keras"]["class_name"] = CODES
    model = load(written(data, manifest))
    assert model.name == CODES
    assert str(model).startswith("a?[2J??b of Keras 2.2")
    assert str(model).count("a?[2J??b") == 2
    assert all(line.isprintable() for line in str(model).split("\n"))
    manifest["inputs"]["kind"] = CODES
    with pytest.raises(BundleError) as caught:
        load(written(data, manifest))
    assert "got `a?[2J??b`" in str(caught.value)
    assert str(caught.value).isprintable()
