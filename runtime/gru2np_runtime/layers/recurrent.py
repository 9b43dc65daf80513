"""GRU, LSTM and SimpleRNN over time, and stacks of their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.layer import ACROSS, CARRIED, Layer, stored
from gru2np_runtime.layers.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.layer import Shape, Sizes

MASKED_OUTPUTS = ("previous", "state", "zero", "zero_in_input_order")


class Recurrent(Layer):
    """A cell, or a stack of cells, run over the time axis of (batch, time, features).

    At a masked step states keep their values.  The output depends on ``masked_output``:

    - ``previous``: the output of the step before, zeros before the first valid step;
    - ``state``: the state number ``masked_state``;
    - ``zero``: zeros;
    - ``zero_in_input_order``: as TensorFlow's unrolled loop with ``go_backwards``,
      which zeroes outputs in processing order by the mask in input order, so that other
      steps than the masked ones are zero (Keras 3.15
      ``keras/src/backend/tensorflow/rnn.py``).

    With ``go_backwards`` outputs stay in processing order.
    """

    is_sequence = True
    takes_several = True
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    time_major: bool = False
    masked_output: str = "previous"
    masked_state: int = 0

    def check(self) -> None:
        """``masked_output`` is one of ``MASKED_OUTPUTS``."""
        super().check()
        if self.masked_output not in MASKED_OUTPUTS:
            raise ValueError(
                f"{self.op}: masked_output is {self.masked_output!r}, "
                f"expected one of {', '.join(MASKED_OUTPUTS)}"
            )

    def cells(self) -> list[tuple[str, Cell]]:
        """The cells, first to last, each with the prefix of its weights' names."""
        raise NotImplementedError

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states, in the order of inputs and outputs."""
        return tuple(size for _, cell in self.cells() for size in cell.state_sizes())

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, time, units) or (batch, units); with ``return_state``, the states."""
        check_states(self.op, shapes[1:], self.state_sizes())
        batch, time, _ = shapes[0]
        if self.time_major:
            batch, time = time, batch
        units = self.cells()[-1][1].output_size()
        y: Shape = (batch, units)
        if self.return_sequences:
            y = (time, batch, units) if self.time_major else (batch, time, units)
        states = self.state_sizes() if self.return_state else ()
        return (y, *((batch, size) for size in states))

    def over_time(self, *shapes: Shape) -> str:
        """CARRIED unless it runs backwards or the time axis is axis 0."""
        return ACROSS if self.go_backwards or self.time_major else CARRIED

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """Whether the batch is axis 0 and no activation works along it."""
        return not self.time_major and all(
            cell.rows_independent() for _, cell in self.cells()
        )

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The sum over all cells and time steps."""
        batch, time, features = inputs[0]
        total = 0
        for _, cell in self.cells():
            total += cell.step_multiply_adds(features)
            features = cell.output_size()
        return batch * time * total

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """(batch, units) of each state."""
        batch = shape[1 if self.time_major else 0]
        return tuple((batch, size) for size in self.state_sizes())


class GRU(Recurrent, GRUCell):
    """A GRU over time; defaults are those of Keras 3."""

    op = "gru"

    def cells(self) -> list[tuple[str, Cell]]:
        """The layer itself, which is its only cell."""
        return [("", self)]

    state_sizes = GRUCell.state_sizes


class LSTM(Recurrent, LSTMCell):
    """An LSTM over time; states h and c."""

    op = "lstm"

    def cells(self) -> list[tuple[str, Cell]]:
        """The layer itself, which is its only cell."""
        return [("", self)]

    state_sizes = LSTMCell.state_sizes


class SimpleRNN(Recurrent, SimpleRNNCell):
    """A SimpleRNN over time."""

    op = "simple_rnn"

    def cells(self) -> list[tuple[str, Cell]]:
        """The layer itself, which is its only cell."""
        return [("", self)]

    state_sizes = SimpleRNNCell.state_sizes


def check_states(op: str, shapes: Sequence[Shape], sizes: Sequence[int]) -> None:
    """Raise ``ValueError`` unless there is no initial state, or all fit the layer.

    Args:
        op: the op, for the message.
        shapes: of the initial states.
        sizes: the units of each state of the layer.
    """
    fit = len(shapes) in (0, len(sizes)) and all(
        len(shape) == 2 and shape[1] in (None, size)
        for shape, size in zip(shapes, sizes)
    )
    if not fit:
        expected = [("batch", size) for size in sizes]
        raise ValueError(
            f"{op}: expected initial states {expected}, got {list(shapes)}"
        )


class RNN(Recurrent):
    """A stack of cells run together over time, child layers ``cell_0``, ``cell_1``.

    With ``reverse_state_order`` the last cell's states come first, in inputs and
    outputs.
    """

    op = "rnn"
    reverse_state_order: bool = False

    def check(self) -> None:
        """Child layers are cells named ``cell_0``, ``cell_1``, ..., at least one."""
        super().check()
        names = [f"cell_{i}" for i in range(len(self.layers))]
        if not names or set(names) != set(self.layers):
            raise ValueError(
                f"rnn: expected child layers cell_0, cell_1, ..., got {[*self.layers]}"
            )
        self.order_layers(names)
        if not all(isinstance(cell, Cell) for cell in self.layers.values()):
            raise ValueError("rnn: every child layer must be a cell")

    def cells(self) -> list[tuple[str, Cell]]:
        """The child layers in order."""
        names = [f"cell_{i}" for i in range(len(self.layers))]
        return [(f"{name}/", self.layers[name]) for name in names]  # type: ignore[misc]

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states, in the order of inputs and outputs."""
        cells = [cell for _, cell in self.cells()]
        if self.reverse_state_order:
            cells.reverse()
        return tuple(size for cell in cells for size in cell.state_sizes())

    # Each cell states those of its weights.
    storage_axes = stored()

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Weight shapes of all cells, by ``cell_0/weight``."""
        expected: dict[str, Shape] = {}
        shape: Shape = (shapes[0][0], shapes[0][-1])
        for prefix, cell in self.cells():
            for name, weight in cell.weight_shapes(shape).items():
                expected[prefix + name] = weight
            shape = cell.output_shapes(shape)[0]
        return expected


LAYERS = {layer.op: layer for layer in (GRU, LSTM, RNN, SimpleRNN)}
