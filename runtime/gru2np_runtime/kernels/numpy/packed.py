"""Packed weights, buffers and gates, shared by all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.activations import along_axis, function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array

    # function(x, out): writes the values for x into out, which may be x.
    Into = Callable[[Array, Array], object]
    # Runs one time step of a layer in the buffers that it is bound to.
    RunStep = Callable[[], object]


class Gate:
    """The activation of a gate, its linear part folded into the weights.

    The gate of a sum ``a`` is ``function(scale * a + offset)``.  For sigmoid it is
    ``0.5 * tanh(0.5 * a) + 0.5``, whose error is at most 6e-8, without overflow.
    """

    __slots__ = ("name", "offset", "parameters", "scale")

    def __init__(self, specification: ActivationSpec) -> None:
        self.name, self.parameters = named(specification)
        self.scale, self.offset = 1.0, 0.0
        if self.name == "sigmoid":
            self.scale = 0.5
        elif self.name == "hard_sigmoid":
            self.scale, self.offset = self.parameters["slope"], 0.5

    def into(self, shape: tuple[int, ...], dtype: Any) -> Into:
        """The function for arrays of this shape: its constants are arrays too."""
        add, multiply, tanh = np.add, np.multiply, np.tanh
        maximum, minimum = np.maximum, np.minimum
        if self.name == "sigmoid":
            half = np.full(shape, 0.5, dtype)

            def sigmoid(x: Array, out: Array) -> None:
                tanh(x, out)
                multiply(out, half, out)
                add(out, half, out)

            return sigmoid
        if self.name == "hard_sigmoid":
            zero, one = np.zeros(shape, dtype), np.ones(shape, dtype)

            def hard_sigmoid(x: Array, out: Array) -> None:
                maximum(x, zero, out=out)
                minimum(out, one, out=out)

            return hard_sigmoid
        return into(self.parameters)


def named(specification: ActivationSpec) -> tuple[str, dict[str, Any]]:
    """Name of the activation, and its specification as a dict."""
    if isinstance(specification, str):
        return specification, {"function": specification}
    return specification["function"], dict(specification)


def elementwise(specification: ActivationSpec) -> bool:
    """Whether the activation works element by element."""
    return not along_axis(named(specification)[0])


def into(specification: ActivationSpec) -> Into:
    """The activation as a function that writes into its second argument."""
    name, _ = named(specification)
    if name == "tanh":
        return np.tanh
    if name == "linear":
        return _same
    function = function_of(specification)

    def apply(x: Array, out: Array) -> None:
        out[...] = function(x)

    return apply


def _same(x: Array, out: Array) -> None:
    if x is not out:
        out[...] = x


class Packed:
    """The weights of one recurrent layer, packed for whole sequences; immutable.

    Attributes:
        kernel: (features + 1, width); the last row is the bias: inputs end in a one.
        recurrent: (units, columns), or (units + 1, columns) with the bias as last row;
            multiplied with the state at the start of a step.
    """

    def __init__(self, kernel: Array, recurrent: Array, units: int) -> None:
        self.kernel = kernel
        self.recurrent = recurrent
        self.units = units
        self.features = kernel.shape[0] - 1
        self.width = kernel.shape[1]
        self.dtype = kernel.dtype

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers for this many time steps and rows, and the loop over time."""
        raise NotImplementedError

    def for_steps(self) -> PackedStep:
        """The weights packed again, for single steps."""
        raise NotImplementedError


def with_row(matrix: Array, row: Array | None) -> Array:
    """A copy in C order with one more row: zeros if ``row`` is None."""
    packed = np.zeros((matrix.shape[0] + 1, matrix.shape[1]), matrix.dtype)
    packed[:-1] = matrix
    if row is not None:
        packed[-1] = row
    return packed


class Buffers:
    """Allocates arrays that a loop writes into, in units-major layout.

    A buffer is a vector (units,) for one row and (units, rows) for several.  A gate is
    a contiguous slice of axis 0, and the same calls serve both.

    Attributes:
        dtype: of all buffers.
        trailing: the axes after the first: () for one row, else (rows,).
    """

    def __init__(self, dtype: Any, trailing: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.trailing = trailing

    def empty(self, size: int) -> Array:
        """An uninitialised buffer, (size, *trailing)."""
        return np.empty((size, *self.trailing), self.dtype)

    def full(self, size: int, value: float) -> Array:
        """A constant buffer, (size, *trailing).

        A ufunc takes twice as long if an argument is a Python number.
        """
        return np.full((size, *self.trailing), value, self.dtype)

    def product(self, operand: Array, matrix: Array) -> tuple[Any, Array]:
        """``f`` and ``a``, so that ``f(a, out)`` writes operand times matrix to out.

        ``operand @ matrix`` for one row, ``matrix.T @ operand`` for several.
        """
        return (matrix.T.dot, operand) if self.trailing else (operand.dot, matrix)


class Workspace(Buffers):
    """Buffers for a number of time steps and rows, and all views that a loop needs.

    Attributes:
        y: (time + 1, units or units + 1, ...); h before the first step and after each.
        states: in Keras' order: h before the first step; c, which the loop updates.
        rows: for each time step, the tuple that the loop of the cell unpacks.
    """

    def __init__(self, packed: Packed, time: int, batch: int) -> None:
        super().__init__(packed.dtype, () if batch == 1 else (batch,))
        self.packed = packed
        self.time = time
        self.batch = batch
        units, dtype, trailing = packed.units, packed.dtype, self.trailing
        self.x = np.ones((time, packed.features + 1, *trailing), dtype)
        self.projected = np.empty((time, packed.width, *trailing), dtype)
        self.y = np.ones((time + 1, packed.recurrent.shape[0], *trailing), dtype)
        self.h = list(self.y[:, :units])
        self.states: list[Array] = [self.h[0]]
        self.saved: list[Array] = []
        self.products = [self.product(y, packed.recurrent) for y in self.y]

    def units_major(self, array: Array) -> Array:
        """A view of (batch, units) or (batch, time, units) in the layout of buffers."""
        view: Array = array[0]
        if self.batch != 1:
            view = array.T if array.ndim == 2 else array.transpose(1, 2, 0)
        return view

    def project(self, x: Array) -> None:
        """``x @ kernel`` for the first n time steps; x: (batch, n, features)."""
        n, packed = x.shape[1], self.packed
        self.x[:n, : packed.features] = self.units_major(x)
        if self.batch == 1:
            np.dot(self.x[:n], packed.kernel, self.projected[:n])
        else:
            np.matmul(packed.kernel.T, self.x[:n], self.projected[:n])

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The loop over time; ``rows``: some items of the attribute."""
        raise NotImplementedError

    rows: list[tuple[Any, ...]]

    def run_masked(self, mask: Array) -> None:
        """The loop, states unchanged at masked steps; mask: (batch, n), True: valid."""
        if not self.saved:
            self.saved = [np.empty_like(state) for state in self.states[1:]]
        kept = list(zip(self.states[1:], self.saved))
        drop = ~mask.T
        for t in range(mask.shape[1]):
            h, next_h = self.h[t], self.h[t + 1]
            if self.batch == 1:
                if drop[t, 0]:
                    next_h[...] = h
                else:
                    self.run(self.rows[t : t + 1])
                continue
            for state, saved in kept:
                np.copyto(saved, state)
            self.run(self.rows[t : t + 1])
            np.copyto(next_h, h, where=drop[t])
            for state, saved in kept:
                np.copyto(state, saved, where=drop[t])


class Slot(Buffers):
    """The slices of the chain's vector that one layer reads and writes.

    Attributes:
        biased_input: [input, 1].
        biased_input_and_output: [input, 1, output].
        output: the output of the layer; h of a recurrent layer.
        biased_output: [1, output].
    """

    def __init__(self, vector: Array, start: int, features: int, units: int) -> None:
        super().__init__(vector.dtype, vector.shape[1:])
        middle = start + features
        self.biased_input = vector[start : middle + 1]
        self.biased_input_and_output = vector[start : middle + 1 + units]
        self.output = vector[middle + 1 : middle + 1 + units]
        self.biased_output = vector[middle : middle + 1 + units]


class PackedStep:
    """The weights of one layer, packed for single steps; immutable.

    Attributes:
        features: size of the input.
        units: size of the output.
    """

    features: int
    units: int

    def bind(self, slot: Slot) -> tuple[RunStep, list[Array]]:
        """A function that runs one step in a slot, and the buffers of the states.

        The first state of a recurrent layer is ``slot.output``.
        """
        raise NotImplementedError
