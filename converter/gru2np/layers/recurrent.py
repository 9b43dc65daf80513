"""Converts GRU, LSTM, SimpleRNN, RNN and StackedRNNCells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.cells import gru_options, lstm_options, simple_rnn_options
from gru2np.layers.dtype_rules import FLOATS, PROMOTED
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_CELL, Weights, inside, recurrent, unmasked
from gru2np_runtime import layers as runtime
from gru2np_runtime.graph import Graph
from gru2np_runtime.layers.cells import Cell
from gru2np_runtime.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# A single cell run by RNN is the layer of that cell.
LAYER_OF_CELL = {
    "gru_cell": runtime.GRU,
    "lstm_cell": runtime.LSTM,
    "simple_rnn_cell": runtime.SimpleRNN,
}


def gru(config: Config) -> Layer:
    """GRU; TensorFlow runs it on cuDNN with ``reset_after`` only."""
    cell = gru_options(config)
    fused = cell["reset_after"] and _fused(config, cell)
    return config.build(runtime.GRU, **cell, **sequence_options(config, fused))


def lstm(config: Config) -> Layer:
    """LSTM; TensorFlow may run it on cuDNN."""
    cell = lstm_options(config)
    return config.build(
        runtime.LSTM, **cell, **sequence_options(config, _fused(config, cell))
    )


def simple_rnn(config: Config) -> Layer:
    """SimpleRNN, which never runs on cuDNN."""
    return config.build(
        runtime.SimpleRNN,
        **simple_rnn_options(config),
        **sequence_options(config, False),
    )


def rnn(config: Config) -> Layer:
    """RNN over one of the three cells, or over a stack of them."""
    inside = dict(config.layer.children)
    if config.value("num_constants", None):
        config.refuse("constants are for custom cells only", "num_constants")
    reverse = bool(config.value("reverse_state_order", False))
    sequence = sequence_options(config, False)
    if "cell" in inside and inside["cell"].class_name != "StackedRNNCells":
        cell = config.child("cell")
        if cell.op not in LAYER_OF_CELL:
            _check_cell(config, cell)
            return config.build(runtime.RNN, layers={"cell_0": cell}, **sequence)
        attributes = {k: v for k, v in cell.attributes().items() if k != "dtype"}
        return config.build(LAYER_OF_CELL[cell.op], **attributes, **sequence)
    stack = config.child("cell")
    if isinstance(stack, runtime.RNN):
        reverse = reverse or stack.reverse_state_order
    layer = config.build(
        runtime.RNN, layers=stack.layers, reverse_state_order=reverse, **sequence
    )
    sizes, units = layer.state_sizes(), layer.cells()[-1][1].output_size()
    if layer.masked_output == "state" and sizes[0] != units:
        # Keras fails here on a masked input; without a mask nothing changes.
        attributes = {**layer.attributes(), "masked_output": "previous"}
        return runtime.RNN(layers=stack.layers, **attributes)
    return layer


def stacked_cells(config: Config) -> Layer:
    """StackedRNNCells: a stack of cells for RNN; nested stacks are flattened."""
    reverse = config.boolean("reverse_state_order", False)
    cells: list[Layer] = []
    for name, _ in config.layer.children:
        cell = config.child(name)
        if isinstance(cell, runtime.RNN):
            if reverse or cell.reverse_state_order:
                config.refuse("stacks inside a stack that reverses its states")
            cells.extend(cell.layers.values())
        else:
            _check_cell(config, cell)
            cells.append(cell)
    named = {f"cell_{i}": cell for i, cell in enumerate(cells)}
    return config.build(runtime.RNN, layers=named, reverse_state_order=reverse)


def _check_cell(config: Config, cell: Layer) -> None:
    """Refuse a layer that is no cell."""
    if not isinstance(cell, Cell):
        config.refuse(
            "expected a recurrent cell inside, a subclass of gru2np_runtime.Cell; got "
            f"{type(cell).__name__}"
        )
    cell.check_sizes()


def _fused(config: Config, cell: dict[str, Any]) -> bool:
    """Whether the options allow TensorFlow 2 to run the layer on cuDNN."""
    return (
        config.value("implementation", None) == 2
        and cell["activation"] == "tanh"
        and cell["recurrent_activation"] == "sigmoid"
        and cell["use_bias"]
        and not config.value("unroll", False)
        and config.value("recurrent_dropout", 0.0) == 0.0
    )


def sequence_options(config: Config, fused: bool) -> dict[str, Any]:
    """Options of the sequence, with ``masked_output`` from the model's meaning."""
    rules = config.meaning.recurrent
    zero = config.boolean("zero_output_for_mask", False)
    unroll = config.boolean("unroll", False)
    masked = rules.unrolled_masked_output if unroll else rules.masked_output
    ignored = (fused and rules.fused_ignores_zero) or (
        unroll and rules.unrolled_ignores_zero
    )
    sequences = config.boolean("return_sequences", False)
    backwards = config.boolean("go_backwards", False)
    if zero and not ignored:
        reversed_ = unroll and backwards and sequences
        masked = "zero_in_input_order" if reversed_ else "zero"
    return {
        "return_sequences": sequences,
        "return_state": config.boolean("return_state", False),
        "go_backwards": backwards,
        "stateful": config.boolean("stateful", False) and not rules.stateful_forgets,
        "time_major": config.boolean("time_major", False),
        "masked_output": masked,
    }


def is_stateful(layer: Layer) -> bool:
    """Whether a layer keeps its states between calls."""
    return isinstance(layer, (Recurrent, runtime.Bidirectional)) and layer.stateful


def with_one_masked_output(layer: Layer, masked: bool, with_states: bool) -> Layer:
    """The layer with a canonical ``masked_output``.

    Without a mask the option changes nothing, and if states start at zero, ``state``
    and ``previous`` are the same.  Equal meanings then give equal bundles.
    """
    if isinstance(layer, Graph):
        return layer
    attributes = layer.attributes()
    rule = attributes.get("masked_output")
    starts_at_zero = not with_states and not attributes.get("stateful", False)
    if rule is not None and layer.op == "rnn":
        starts_at_zero = False
    if not masked or (rule == "state" and starts_at_zero):
        rule = "previous" if rule is not None else None
    children = {
        name: with_one_masked_output(child, masked, with_states)
        for name, child in layer.layers.items()
    }
    if rule is not None:
        attributes["masked_output"] = rule
    return type(layer)(layers=children, **attributes)


def _cell_prefix(attribute: str, position: int) -> str:
    """Empty for a single cell; cells of a stack are numbered."""
    return "" if attribute == "cell" else f"cell_{position}/"


# RNN over one custom cell, which stays a layer of its own.
OF_CUSTOM_CELL = recurrent(
    rnn,
    Weights(inside=inside(lambda attribute, position: f"cell_{position}/")),
    PROMOTED,
)

LAYERS = {
    "GRU": recurrent(gru, IN_CELL, PROMOTED),
    "LSTM": recurrent(lstm, IN_CELL, PROMOTED),
    "RNN": recurrent(rnn, Weights(inside=inside(_cell_prefix)), PROMOTED),
    "SimpleRNN": recurrent(simple_rnn, IN_CELL, PROMOTED),
    "StackedRNNCells": unmasked(
        stacked_cells, MEASURED, Weights(inside=inside(_cell_prefix, flat=True)), FLOATS
    ),
}
