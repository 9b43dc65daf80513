"""Layers of Keras 1 over two and three axes: what files leave unsaid, and say badly."""

from __future__ import annotations

import io

import h5py
import pytest

import gru2np
from modelfiles import changed, fixture

SHAPES = "keras-1.2/image_shapes"
TRANSPOSED = "keras-1.2/separable_and_transposed"
THEANO = "keras-1.2-theano/images"


def edited(case, path, layer, options, class_name=None):
    """A copy of a model, one layer's options changed; None takes one away."""

    def edit(config):
        (spec,) = [x for x in config["config"]["layers"] if x["name"] == layer]
        spec["class_name"] = class_name or spec["class_name"]
        for key, value in options.items():
            spec["config"][key] = value
            if value is None:
                del spec["config"][key]

    return changed(case, path, edit)


def refusal(path):
    """The problems of a file that cannot be converted, as one text."""
    with pytest.raises(gru2np.UnsupportedModelError) as caught:
        gru2np.export(path, io.BytesIO())
    return "\n".join(str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("layer", "ordering"), [("a", "th"), ("e", None)], ids=["both", "none"]
)
def test_an_unknown_order_of_axes_is_refused(tmp_path, layer, ordering):
    path = edited(SHAPES, tmp_path / "m.h5", layer, {"dim_ordering": ordering})
    text = refusal(path)
    assert "data_format" in text
    assert "neither in the file" in text
    assert {name for name in "abcde" if f"'{name}'" in text} >= set("bcd")


def test_an_order_that_the_kernels_do_not_have_is_refused(tmp_path):
    path = edited(SHAPES, tmp_path / "m.h5", "e", {"dim_ordering": "th"})
    with pytest.raises(gru2np.ModelFileError):
        gru2np.export(path, io.BytesIO())


def test_an_even_kernel_over_three_axes_is_refused_on_theano(tmp_path):
    path = edited(
        "keras-1.2-theano/volumes", tmp_path / "m.h5", "a", {"kernel_dim2": 2}
    )
    assert "depends on Theano's version" in refusal(path)


def test_a_transposed_convolution_is_refused_on_theano(tmp_path):
    options = {"output_shape": [None, 9, 7, 4], "border_mode": "valid"}
    path = edited(THEANO, tmp_path / "m.h5", "a", options, "Deconvolution2D")
    assert "of Theano" in refusal(path)


def test_windows_of_one_are_refused_on_theano_before_1_2(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(fixture("keras-1.2-theano/image_pooling").read_bytes())
    gru2np.export(path, io.BytesIO())
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "1.1.2"
    assert "on Theano before 1.2" in refusal(path)


@pytest.mark.parametrize(
    ("case", "layer", "options"),
    [
        (SHAPES, "a", {"padding": [0, 1, 3]}),
        (SHAPES, "a", {"padding": [0, 1, 3, [2]]}),
        (SHAPES, "b", {"padding": {"top_pad": "1"}}),
        (SHAPES, "c", {"cropping": [[0, 1]]}),
        (SHAPES, "d", {"size": [3, 2, 1]}),
        (SHAPES, "e", {"dim_ordering": ["tf"]}),
        (SHAPES, "e", {"dim_ordering": "cntk"}),
        (SHAPES, "e", {"nb_row": None}),
        (SHAPES, "e", {"nb_row": True}),
        (SHAPES, "e", {"kernel_dim1": 1}),
        (TRANSPOSED, "b", {"output_shape": None}),
        (TRANSPOSED, "b", {"output_shape": "None"}),
        (TRANSPOSED, "b", {"output_shape": [None, 4, True, 19]}),
        (TRANSPOSED, "b", {"output_shape": [None, 4, 10]}),
        (TRANSPOSED, "b", {"subsample": [2, 0]}),
        (TRANSPOSED, "b", {"subsample": 2}),
    ],
)
def test_options_that_keras_never_wrote_are_refused(tmp_path, case, layer, options):
    text = refusal(edited(case, tmp_path / "m.h5", layer, options))
    assert f"'{layer}'" in text


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (THEANO, "flipped in space"),
        ("keras-1.2/images_channels_first", "channels first are transposed"),
        ("keras-1.2-theano/conv_lstm", "single gates are joined"),
        ("keras-1.2-theano/conv_lstm", "channels first are transposed"),
        ("keras-1.2-theano/conv_lstm", "flipped in space"),
    ],
)
def test_changes_of_kernels_are_mentioned(case, words):
    assert words in "\n".join(gru2np.inspect(fixture(case)).meaning)
