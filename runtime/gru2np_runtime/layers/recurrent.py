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
    """A cell run over the time axis of (batch, time, features).

    At a masked step states keep their values, and the output is the one of the step
    before, zeros before the first valid step (``masked_output="previous"``); the
    carried state number ``masked_state`` (``"state"``); or zeros (``"zero"``).
    With ``go_backwards`` outputs stay in the order of processing.  There TensorFlow's
    unrolled loop zeroes by the mask in the order of the input, and so other steps than
    the masked ones (``"zero_in_input_order"``; Keras 3.15
    ``keras/src/backend/tensorflow/rnn.py``).
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
        """The masked output is one of the known ones."""
        super().check()
        if self.masked_output not in MASKED_OUTPUTS:
            raise ValueError(
                f"{self.op}: masked_output is {self.masked_output!r}, "
                f"expected one of {', '.join(MASKED_OUTPUTS)}"
            )

    def cells(self) -> list[tuple[str, Cell]]:
        """The stack of cells, first to last, with the prefix of their weights."""
        raise NotImplementedError

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states as they come in and go out."""
        return tuple(size for _, cell in self.cells() for size in cell.state_sizes())

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sequence or its last step; then, with ``return_state``, the states."""
        check_states(self.op, shapes[1:], self.state_sizes())
        batch, time, _ = shapes[0]
        if self.time_major:
            batch, time = time, batch
        units = self.cells()[-1][1].units
        y: Shape = (batch, units)
        if self.return_sequences:
            y = (time, batch, units) if self.time_major else (batch, time, units)
        states = self.state_sizes() if self.return_state else ()
        return (y, *((batch, size) for size in states))

    def over_time(self, *shapes: Shape) -> str:
        """Carried forward, where it runs forward."""
        return ACROSS if self.go_backwards or self.time_major else CARRIED

    @property
    def rows_apart(self) -> bool:  # type: ignore[override]
        """Where the batch is axis 0, and no activation runs along it."""
        return not self.time_major and all(
            cell.rows_independent() for _, cell in self.cells()
        )

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Each cell on the output of the one below, at every step."""
        batch, time, features = inputs[0]
        total = 0
        for _, cell in self.cells():
            total += cell.step_multiply_adds(features)
            features = cell.units
        return batch * time * total

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """(batch, units) of each state."""
        batch = shape[1 if self.time_major else 0]
        return tuple((batch, size) for size in self.state_sizes())


class GRU(Recurrent, GRUCell):
    """A GRU over time; defaults are those of today's Keras."""

    op = "gru"

    def cells(self) -> list[tuple[str, Cell]]:
        """Itself."""
        return [("", self)]

    state_sizes = GRUCell.state_sizes


class LSTM(Recurrent, LSTMCell):
    """An LSTM over time; states h and c."""

    op = "lstm"

    def cells(self) -> list[tuple[str, Cell]]:
        """Itself."""
        return [("", self)]

    state_sizes = LSTMCell.state_sizes


class SimpleRNN(Recurrent, SimpleRNNCell):
    """A fully connected recurrence over time."""

    op = "simple_rnn"

    def cells(self) -> list[tuple[str, Cell]]:
        """Itself."""
        return [("", self)]

    state_sizes = SimpleRNNCell.state_sizes


def check_states(op: str, shapes: Sequence[Shape], sizes: Sequence[int]) -> None:
    """Initial states, if any, are (batch, units) for each state of the layer.

    Raises:
        ValueError: they are not.
    """
    fit = len(shapes) in (0, len(sizes)) and all(
        len(shape) == 2 and shape[1] in (None, size)
        for shape, size in zip(shapes, sizes)
    )
    if not fit:
        wanted = [("batch", size) for size in sizes]
        raise ValueError(f"{op}: expected initial states {wanted}, got {list(shapes)}")


class RNN(Recurrent):
    """A stack of cells run together over time, child layers ``cell_0``, ``cell_1``.

    With ``reverse_state_order`` the last cell's states come first, in and out.
    """

    op = "rnn"
    reverse_state_order: bool = False

    def check(self) -> None:
        """There is at least one cell, and nothing but cells."""
        super().check()
        names = [f"cell_{i}" for i in range(len(self.layers))]
        if not names or set(names) != set(self.layers):
            raise ValueError("rnn: expected child layers cell_0, cell_1, ...")
        if not all(isinstance(cell, Cell) for cell in self.layers.values()):
            raise ValueError("rnn: every child layer must be a cell")

    def cells(self) -> list[tuple[str, Cell]]:
        """The child layers in order."""
        names = [f"cell_{i}" for i in range(len(self.layers))]
        return [(f"{name}/", self.layers[name]) for name in names]  # type: ignore[misc]

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states, in the order they come in and go out."""
        cells = [cell for _, cell in self.cells()]
        if self.reverse_state_order:
            cells.reverse()
        return tuple(size for cell in cells for size in cell.state_sizes())

    # Those of the cells are theirs.
    storage_axes = stored()

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Each cell's weights below its name."""
        expected: dict[str, Shape] = {}
        shape = shapes[0]
        for prefix, cell in self.cells():
            for name, wanted in cell.weight_shapes(shape).items():
                expected[prefix + name] = wanted
            shape = cell.output_shapes(shape)[0]
        return expected


LAYERS = {layer.op: layer for layer in (GRU, LSTM, RNN, SimpleRNN)}
