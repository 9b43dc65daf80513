"""One time step of a GRU, an LSTM and a SimpleRNN.

The gates of ``kernel`` (features, gates * units) and ``recurrent_kernel`` (units,
gates * units) are concatenated along the last axis: z, r, h in a GRU; i, f, c, o in an
LSTM.
Equations as in Keras 3.15 ``keras/src/layers/rnn/{gru,lstm,simple_rnn}.py``, which
every Keras since 1.0 shares; the papers are Cho et al. 2014 (arXiv:1406.1078),
Hochreiter and Schmidhuber 1997, and for ``reset_after`` arXiv:1406.1078v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.activations import axes_of, function_of, gate_activation
from gru2np_runtime.custom import raising, read_only, real_numbers
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layer import FEW, Layer, across, stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes


class Cell(Layer):
    """One time step of a recurrent layer; the base of custom cells.

    A custom cell states ``state_sizes``, ``weight_shapes``, ``forward``, and its
    options as annotated attributes.  ``weight_shapes`` gets the shape (batch,
    features); RNN runs the cell over time.
    """

    over_time = across

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states, in Keras' order."""
        raise CustomObjectError(
            f"cell {type(self).__name__} does not state its state_sizes: return a "
            "tuple with the size of each state"
        )

    def output_size(self) -> int:
        """The size of the output; that of the first state unless overridden."""
        return self.state_sizes()[0]

    def check_sizes(self) -> None:
        """The cell states the sizes of its states and of its output.

        Raises:
            CustomObjectError: it does not.
        """
        what = f"cell {type(self).__name__}"
        with raising(what):
            sizes: object = self.state_sizes()
            fits = (
                isinstance(sizes, (tuple, list))
                and sizes
                and all(
                    isinstance(size, int) and size > 0
                    for size in (*sizes, self.output_size())
                )
            )
        if not fits:
            raise CustomObjectError(
                f"{what}: expected state_sizes to be a tuple with the size of each "
                f"state, got {sizes!r}"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, output size)."""
        return ((shapes[0][0], self.output_size()),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> tuple[Array, ...]:
        """The output of a time step, then the states after it.

        Args:
            weights: the cell's arrays by name.
            inputs: x (batch, features), then the states (batch, size) before it.
            mask: None; masked steps are skipped by RNN.
        """
        raise NotImplementedError(f"{self.op} has no forward pass")

    def project(self, weights: Mapping[str, Array], x: Array) -> Array:
        """What needs no state, for all time steps at once: (n, features) to (n, ...).

        ``advance`` gets the result instead of x.
        """
        return x

    def advance(
        self, weights: Mapping[str, Array], projected: Array, states: Sequence[Array]
    ) -> tuple[Array, ...]:
        """The output of a time step, then the states after it.

        Args:
            weights: the cell's arrays.
            projected: one step of ``project``, (batch, ...).
            states: arrays (batch, size).
        """
        what = f"cell {type(self).__name__}"
        with raising(what):
            inputs = map(read_only, (projected, *states))
            outputs = tuple(self.forward(weights, *inputs))
        sizes = (self.output_size(), *self.state_sizes())
        expected = [(len(projected), size) for size in sizes]
        shapes = [getattr(y, "shape", None) for y in outputs]
        if shapes != expected:
            raise CustomObjectError(
                f"{what}: expected the output and the states, "
                f"arrays of shapes {expected}, got {shapes}"
            )
        return tuple(real_numbers(what, y, self.dtype) for y in outputs)

    def rows_independent(self) -> bool:
        """Whether every row of a batch is computed alone."""
        return bool(self.independent_rows)

    def step_multiply_adds(self, features: int) -> int:
        """Multiply-adds of one time step of one sample."""
        return self.multiply_adds([(1, features)], [(1, self.output_size())])


class GatedCell(Cell):
    """A cell of Keras: its gates are products of the input and of the first state.

    The product of the input with the kernel needs no state, so ``project`` computes it
    for all time steps at once; ``advance`` does the rest of one step.
    """

    gate_count = 1
    storage_axes = stored(kernel=-1, recurrent_kernel=-1, bias=FEW)
    units: int

    def check(self) -> None:
        """Units are at least 1."""
        if self.units < 1:
            raise ValueError(f"{self.op}: units is {self.units}, expected at least 1")

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states, in Keras' order."""
        return (self.units,)

    def project(self, weights: Mapping[str, Array], x: Array) -> Array:
        """x @ kernel + bias: (n, features) to (n, gates * units)."""
        projected = x @ weights["kernel"]
        return projected + weights["bias"] if "bias" in weights else projected

    def rows_independent(self) -> bool:
        """Whether no activation works along the batch axis of (batch, units)."""
        return not any(
            {0, -2}.intersection(axes_of(getattr(self, name)))
            for name, kind in self.attribute_kinds().items()
            if kind == "ActivationSpec"
        )

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """Whether no activation works along the batch axis."""
        return self.rows_independent()

    def step_multiply_adds(self, features: int) -> int:
        """Multiply-adds of one time step of one sample, with both kernels."""
        return self.gate_count * self.units * (features + self.units)

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """One time step, for inputs (batch, features)."""
        return inputs[0][0] * self.step_multiply_adds(inputs[0][-1])


class GRUCell(GatedCell):
    """``h' = z * h + (1 - z) * hh``; see ``advance``."""

    op = "gru_cell"
    gate_count = 3
    units: int
    activation: ActivationSpec = "tanh"
    recurrent_activation: ActivationSpec = "sigmoid"
    use_bias: bool = True
    reset_after: bool = True

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel, recurrent_kernel, bias: one row, two with ``reset_after``."""
        width = 3 * self.units
        expected: dict[str, Shape] = {
            "kernel": (shapes[0][-1], width),
            "recurrent_kernel": (self.units, width),
        }
        if self.use_bias:
            expected["bias"] = (2, width) if self.reset_after else (width,)
        return expected

    def project(self, weights: Mapping[str, Array], x: Array) -> Array:
        """x @ kernel + the input's bias: (n, features) to (n, 3 * units)."""
        projected = x @ weights["kernel"]
        if not self.use_bias:
            return projected
        bias = weights["bias"]
        return projected + (bias[0] if self.reset_after else bias)

    def advance(
        self, weights: Mapping[str, Array], projected: Array, states: Sequence[Array]
    ) -> tuple[Array, ...]:
        """Twice z * h + (1 - z) * hh, with gates z and r and the candidate hh.

        ``reset_after``: hh = activation(x_h + r * (h @ U_h + b_h)); otherwise
        hh = activation(x_h + (r * h) @ U_h).
        """
        (h,) = states
        units = self.units
        gate = gate_activation(self.recurrent_activation, 2)
        activate = function_of(self.activation)
        U = weights["recurrent_kernel"]
        if self.reset_after:
            recurrent = h @ U
            if self.use_bias:
                recurrent = recurrent + weights["bias"][1]
            zr = gate(projected[:, : 2 * units] + recurrent[:, : 2 * units])
            z, r = zr[:, :units], zr[:, units:]
            hh = activate(projected[:, 2 * units :] + r * recurrent[:, 2 * units :])
        else:
            zr = gate(projected[:, : 2 * units] + h @ U[:, : 2 * units])
            z, r = zr[:, :units], zr[:, units:]
            hh = activate(projected[:, 2 * units :] + (r * h) @ U[:, 2 * units :])
        h = z * h + (1.0 - z) * hh
        return h, h


class LSTMCell(GatedCell):
    """``c' = f * c + i * hh``, ``h' = o * activation(c')``."""

    op = "lstm_cell"
    gate_count = 4
    units: int
    activation: ActivationSpec = "tanh"
    recurrent_activation: ActivationSpec = "sigmoid"
    use_bias: bool = True

    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and c."""
        return (self.units, self.units)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel, recurrent_kernel, bias (4 * units,)."""
        return _shapes(self, shapes[0], self.use_bias)

    def advance(
        self, weights: Mapping[str, Array], projected: Array, states: Sequence[Array]
    ) -> tuple[Array, ...]:
        """h, h and c; the columns of ``projected`` are i, f, c, o."""
        h, c = states
        units = self.units
        activate = function_of(self.activation)
        total = projected + h @ weights["recurrent_kernel"]
        i_f = gate_activation(self.recurrent_activation, 2)(total[:, : 2 * units])
        o = function_of(self.recurrent_activation)(total[:, 3 * units :])
        hh = activate(total[:, 2 * units : 3 * units])
        c = i_f[:, units:] * c + i_f[:, :units] * hh
        h = o * activate(c)
        return h, h, c


class SimpleRNNCell(GatedCell):
    """``h' = activation(x @ kernel + bias + h @ recurrent_kernel)``."""

    op = "simple_rnn_cell"
    units: int
    activation: ActivationSpec = "tanh"
    use_bias: bool = True

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel, recurrent_kernel, bias (units,)."""
        return _shapes(self, shapes[0], self.use_bias)

    def advance(
        self, weights: Mapping[str, Array], projected: Array, states: Sequence[Array]
    ) -> tuple[Array, ...]:
        """Twice h: activation(projected + h @ recurrent_kernel)."""
        total = projected + states[0] @ weights["recurrent_kernel"]
        h = function_of(self.activation)(total)
        return h, h


def _shapes(cell: GatedCell, shape: Shape, use_bias: bool) -> dict[str, Shape]:
    """Weight shapes of a cell whose bias is one vector."""
    width = cell.gate_count * cell.units
    expected: dict[str, Shape] = {
        "kernel": (shape[-1], width),
        "recurrent_kernel": (cell.units, width),
    }
    if use_bias:
        expected["bias"] = (width,)
    return expected


LAYERS = {cell.op: cell for cell in (GRUCell, LSTMCell, SimpleRNNCell)}
