"""What a model costs, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from goldens import FIXTURES, Golden
from gru2np.convert import convert
from gru2np.inspection.cost import Cost, costs
from report_pages import STACK


def cost_of(case):
    model, weights = Golden(FIXTURES / case).files()
    with convert(model, weights) as conversion:
        return costs(conversion.built.graph)


def test_products_of_recurrent_layers_are_counted_by_the_step():
    # GRU of 5 units on 4 features: 3 gates * 5 units * (4 features + 5 units) a step.
    found = cost_of("keras-3.15/mixed_stack")
    with convert(STACK) as conversion:
        shapes = {p: t.shape for p, t in conversion.tensors.items()}
        steps = conversion.built.graph.inputs[0].shape[1]
    gru, lstm, rnn = (shapes[f"{n}/kernel"] for n in ("gru", "lstm", "simple_rnn"))
    assert (gru, lstm, rnn) == ((4, 15), (5, 12), (3, 4))
    assert steps == 6
    assert found.layers["gru"] == Cost(6 * 3 * 5 * (4 + 5))
    assert found.layers["lstm"] == Cost(6 * 4 * 3 * (5 + 3))
    assert found.layers["simple_rnn"] == Cost(6 * 4 * (3 + 4))
    # GRU of 2 units on 4 features, then Dense from 2 to 3 once.
    assert found.layers["gru_1"] == Cost(6 * 3 * 2 * (4 + 2))
    assert found.layers["dense"] == Cost(2 * 3)
    assert found.total == Cost(sum(own.once for own in found.layers.values()))
    # States: h of 5, h and c of 3, h of 4, h of 2, as float32.
    assert found.state_bytes == 4 * (5 + 3 + 3 + 4 + 2)
    assert found.weight_bytes == 4 * sum(int(np.prod(s)) for s in shapes.values())


def test_a_free_length_is_counted_by_the_step():
    # encoder LSTM of 4 units on 3 features, GRU of 3 units on 3: each step of the
    # source; decoder LSTM of 4 on 2, GRU of 3 on 2, Dense from 4 to 5: of the target.
    found = cost_of("keras-3.15/encoder_decoder")
    assert found.layers["encoder"] == Cost(0, 4 * 4 * (3 + 4))
    assert found.layers["decoder"] == Cost(0, 4 * 4 * (2 + 4))
    assert found.layers["scores"] == Cost(0, 4 * 5)


def test_both_halves_of_a_bidirectional_layer_count():
    # On 6 steps of 3 features: GRU of 2, LSTM of 4, LSTM of 2 units, both ways;
    # then a GRU of 3 units on the 4 features that the first gives.
    found = cost_of("keras-3.15/mask_bidirectional").layers
    assert found["all"] == Cost(2 * 6 * 3 * 2 * (3 + 2))
    assert found["last"] == Cost(2 * 6 * 4 * 4 * (3 + 4))
    assert found["apart"] == Cost(2 * 6 * 4 * 2 * (3 + 2))
    assert found["gru"] == Cost(6 * 3 * 3 * (4 + 3))


def test_a_model_of_a_fixed_batch_is_counted_for_one_sample():
    # 3 rows of 4 steps: GRU of 4 units on 2 features, LSTM of 3 on 4, SimpleRNN of 2.
    found = cost_of("keras-3.15/stateful")
    assert found.layers["gru"] == Cost(4 * 3 * 4 * (2 + 4))
    assert found.layers["lstm"] == Cost(4 * 4 * 3 * (4 + 3))
    assert found.layers["simple_rnn"] == Cost(4 * 2 * (3 + 2))


def test_samples_that_are_not_on_axis_0_are_not_counted():
    assert cost_of("tf-2.10/time_major") is None


# Places times the numbers of the kernel; of transposed ones the places of the input.
CONVOLUTIONS = [
    ("convolution", "valid", 5 * (3 * 3 * 4)),
    ("convolution", "same_strides", 4 * (4 * 3 * 2)),
    ("convolution", "causal_dilated", 7 * (2 * 3 * 2)),
    ("volumes", "conv", (3 * 6 * 2) * (2 * 3 * 1 * 2 * 3)),
    ("transposed", "line", 7 * (5 * 2 * 3)),
    # Depthwise, then pointwise.
    ("separable_sequences", "valid", 5 * (3 * 3 * 2 + 6 * 4)),
    ("separable_sequences", "far", 3 * (4 * 3 * 1)),
    # Steps, places, and both kernels of four gates.
    ("conv_lstm_states", "encoder", 4 * (5 * 6) * (2 * 3 * (2 + 4) * 16)),
]
OTHERS = [
    # Queries, keys, values and results of 5 steps; then 5 * 5 scores of 2 heads of 3
    # numbers, twice: to make them and to use them.
    ("heads", "scores", 5 * 4 * 6 * 3 + 5 * 6 * 4 + 2 * 5 * 5 * 2 * 3),
    ("einsum_dense", "two", 4 * 3 * 2 * 5),
    ("einsum_dense", "whole", 4 * 3 * 7),
    ("dot", "matrices", 5 * 4 * 3),
    ("attention_by_hand", "dense", 5 * 4),
    # Cells of 3, 2 and 4 units, each on the units of the one below.
    ("stacked_cells", "rnn", 5 * (9 * (4 + 3) + 8 * (3 + 2) + 12 * (2 + 4))),
    # A model of two Dense layers at each of 3 steps.
    ("time_distributed_model", "scores", 3 * (4 * 3 + 3 * 2)),
    # A GRU of 3 units on 2 features over 6 steps, called three times.
    ("nested_twice", "graph/gru", 3 * 6 * 9 * (2 + 3)),
]


@pytest.mark.parametrize(("case", "layer", "count"), CONVOLUTIONS + OTHERS)
def test_products_are_counted(case, layer, count):
    assert cost_of(f"keras-3.15/{case}").layers[layer] == Cost(count)


def test_attention_grows_with_the_keys():
    # 5 queries of 4 numbers with T keys of 4 and T values of 4.
    assert cost_of("keras-3.15/attention").layers["plain"] == Cost(0, 5 * (4 + 4))
