"""What Keras 3 means otherwise by the same words is said in other words."""

import numpy as np
import pytest

from goldens import FIXTURES
from gru2np.convert import convert
from gru2np.errors import UnsupportedModelError
from gru2np.upgrading.comparing import AttributeDiffers
from gru2np.upgrading.draft import Draft
from gru2np.upgrading.rewriting import REWRITES
from modelfiles import changed, fixture
from upgraded_files import (
    arrays_of,
    layers_of,
    old_weights,
    refusal_of,
    sources_of,
    upgraded_file,
    upgraded_model,
)

SCALED = "weights before hard_sigmoid are multiplied by 1.2"
CELLS = FIXTURES / "random_saved/tf-2.10/2/hdf5/model.h5"
# The gates in the columns of the kernels, those of recurrent_activation marked.
GATES = {
    "keras-2.2/gru": ("gru_1", "gru", [1, 1, 0]),
    "keras-2.2/lstm": ("lstm_1", "lstm", [1, 1, 0, 1]),
}


def with_activation(case, path, layer, activation):
    """A copy of a model, one of its layers with another activation."""

    def edit(config):
        layers = config["config"]
        for spec in layers["layers"] if isinstance(layers, dict) else layers:
            if spec["config"]["name"] == layer:
                spec["config"]["activation"] = activation

    return changed(case, path, edit)


def arrays(data, prefix):
    found = arrays_of(data)
    return [found[path] for path in sorted(found) if path.startswith(prefix)]


@pytest.mark.parametrize("case", GATES)
def test_gates_of_hard_sigmoid_are_scaled_and_no_others(case):
    layer, group, marked = GATES[case]
    old = old_weights(case)
    data, draft = upgraded_file(case)
    assert draft.words == {layer: [SCALED]}
    assert layers_of(data)[layer]["config"]["recurrent_activation"] == "hard_sigmoid"
    names = ("kernel", "recurrent_kernel", "bias")
    for name, array in zip(names, arrays(data, f"layers/{group}/"), strict=True):
        before = np.split(old[f"{layer}/{name}"], len(marked), axis=-1)
        after = np.split(array, len(marked), axis=-1)
        for is_scaled, x, y in zip(marked, before, after, strict=True):
            np.testing.assert_array_equal(y, x * np.float32(1.2 if is_scaled else 1))


def test_both_biases_of_reset_after_are_scaled():
    old = old_weights("keras-2.2/gru_reset_after")["reset_after_bias/bias"]
    data, _ = upgraded_file("keras-2.2/gru_reset_after")
    assert old.shape == (2, 9)
    factors = np.repeat(np.float32([1.2, 1.2, 1]), 3)
    bias = arrays_of(data)["layers/gru/cell/vars/2"]
    np.testing.assert_array_equal(bias, old * factors)


def test_the_candidate_of_a_gru_is_scaled_by_its_own_activation(tmp_path):
    path = with_activation("keras-2.2/gru", tmp_path / "m.h5", "gru_1", "hard_sigmoid")
    old = old_weights("keras-2.2/gru")["gru_1/kernel"]
    data, _ = upgraded_model(path)
    np.testing.assert_array_equal(arrays(data, "layers/gru/")[0], old * np.float32(1.2))


def test_the_activation_of_an_lstm_cannot_be_scaled(tmp_path):
    path = with_activation(
        "keras-2.2/lstm", tmp_path / "m.h5", "lstm_1", "hard_sigmoid"
    )
    with pytest.raises(UnsupportedModelError) as caught:
        upgraded_model(path)
    (problem,) = caught.value.problems
    assert (problem.layer, problem.class_name) == ("lstm_1", "LSTM")
    assert "clip(0.2 * x + 0.5, 0, 1)" in problem.reason
    assert "applied to something else too" in problem.reason


def test_hard_sigmoid_of_an_lstm_cell_is_refused_too():
    with pytest.raises(UnsupportedModelError) as caught:
        upgraded_model(CELLS)
    problems = {problem.layer: problem for problem in caught.value.problems}
    assert "applied to something else too" in problems["rnn_1/cell_1"].reason
    assert problems["rnn_1/cell_1"].class_name == "RNN"


@pytest.mark.parametrize("backend", ["keras-1.2", "keras-1.2-theano"])
def test_an_activation_without_weights_has_rescaling_before_it(backend):
    data, draft = upgraded_file(f"{backend}/activations")
    layers = layers_of(data)
    assert draft.words["of_hard_sigmoid"] == [
        "the input of hard_sigmoid is multiplied by 1.2"
    ]
    before = layers["of_hard_sigmoid_scaled"]
    assert before["class_name"] == "Rescaling"
    assert (before["config"]["scale"], before["config"]["offset"]) == (1.2, 0.0)
    assert sources_of(layers["of_hard_sigmoid"]) == [[("of_hard_sigmoid_scaled", 0, 0)]]


def test_no_weight_of_another_activation_changes():
    old = old_weights("tf-2.10/gru")
    data, draft = upgraded_file("tf-2.10/gru")
    assert draft.words == {}
    kept = {array.tobytes() for array in arrays_of(data).values()}
    assert {array.tobytes() for array in old.values()} <= kept


def test_padding_same_of_theano_is_a_layer_before():
    data, draft = upgraded_file("keras-1.1-theano/convolution_same")
    layers = layers_of(data)
    for length, padding in ((2, [1, 0]), (3, [1, 1]), (4, [2, 1])):
        name = f"length_{length}_by_2"
        assert draft.words[name] == ["zeros before and after, and no padding"]
        assert layers[name]["config"]["padding"] == "valid"
        assert layers[f"{name}_padding"]["class_name"] == "ZeroPadding1D"
        assert layers[f"{name}_padding"]["config"]["padding"] == padding
        # Each call of the layer reads that call of the one before.
        read = [[(f"{name}_padding", 0, 0)], [(f"{name}_padding", 1, 0)]]
        assert sources_of(layers[name]) == read


def test_padding_full_of_theano_is_a_layer_before():
    data, draft = upgraded_file("keras-1.2-theano/convolution_full")
    layers = layers_of(data)
    for name, steps in (("full", 2), ("strided", 3)):
        assert draft.words[name] == ["zeros before and after, and no padding"]
        assert layers[name]["config"]["kernel_size"] in (steps + 1, [steps + 1])
        assert layers[name]["config"]["padding"] == "valid"
        assert layers[f"{name}_padding"]["config"]["padding"] == [steps, steps]
        assert sources_of(layers[name]) == [[(f"{name}_padding", 0, 0)]]


def test_the_least_epsilon_of_a_kernel_is_written():
    data, draft = upgraded_file("keras-2.2/small_variances")
    layers = layers_of(data)
    assert draft.words["last"] == ["epsilon is 1.001e-05"]
    assert layers["last"]["config"]["epsilon"] == 1.001e-05
    # Volumes, and other axes, are normalized by another kernel that has no least one.
    assert layers["of_volumes"]["config"]["epsilon"] == 1e-07
    assert layers["first"]["config"]["epsilon"] == 1e-07


def test_a_bidirectional_that_forgets_is_not_stateful():
    data, draft = upgraded_file("keras-2.2/stateful_bidirectional")
    (config,) = (
        layer["config"]
        for layer in layers_of(data).values()
        if layer["class_name"] == "Bidirectional"
    )
    for half in ("layer", "backward_layer"):
        assert config[half]["config"]["stateful"] is False
    words = {word for words in draft.words.values() for word in words}
    assert "stateful is False" in words


def test_a_layer_that_keeps_its_states_stays_stateful():
    data, _ = upgraded_file("keras-2.2/stateful")
    for name in ("gru_1", "lstm_1", "simple_rnn_1"):
        assert layers_of(data)[name]["config"]["stateful"] is True


@pytest.mark.parametrize("slope", [0.2, 0.3])
def test_the_factor_is_that_of_the_slopes_that_are_known(slope):
    with convert(fixture("keras-2.2/gru")) as conversion:
        graph = conversion.built.graph
        draft = Draft(conversion.model, graph, {"gru_1": "gru_1"})
        slopes = [{"function": "hard_sigmoid", "slope": x} for x in (slope, 1 / 6)]
        found = AttributeDiffers("gru_1", "gru_1", "recurrent_activation", *slopes)
        words = REWRITES[found.attribute](draft, found, graph.layers["gru_1"])
    assert words == (SCALED if slope == 0.2 else None)
    assert bool(draft.weights) == (slope == 0.2)


def test_attention_without_a_mask_needs_no_rule_for_masked_scores():
    data, draft = upgraded_file("tf-2.10/heads")
    layers = layers_of(data)
    assert layers["plain"]["class_name"] == "MultiHeadAttention"
    assert "plain" not in draft.words


def test_attention_with_a_mask_of_another_rule_is_refused():
    error = refusal_of("tf-keras-2.21/softmax_masked")
    assert any("masked score is lowered" in one.reason for one in error.problems)
