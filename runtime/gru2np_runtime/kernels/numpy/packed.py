"""What the loops of all cells share: packed weights, buffers, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.activations import ALONG_AXIS, function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array

    # A function of one array that writes its values into another, or the same.
    Into = Callable[[Array, Array], object]
    # Takes a layer one time step further, in the buffers it was made for.
    Advance = Callable[[], object]


class Gate:
    """A gate's function with its linear part folded into the weights.

    The gate of a sum ``a`` is ``apply(scale * a + offset)``.  For sigmoid this is
    ``0.5 * tanh(0.5 * a) + 0.5``, which errs by at most 6e-8, and has no overflow.
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
        """The function of arrays of this shape: constants are arrays as well."""
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
    """The function's name, and the specification as an object."""
    if isinstance(specification, str):
        return specification, {"function": specification}
    return specification["function"], dict(specification)


def elementwise(specification: ActivationSpec) -> bool:
    """Whether the function treats every element alone."""
    return named(specification)[0] not in ALONG_AXIS


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
        kernel: (features + 1, width); the last row is a bias, for an input that ends
            in one.
        recurrent: (units, columns), or (units + 1, columns) with a bias row; what the
            state is multiplied with at the beginning of a step.
    """

    def __init__(self, kernel: Array, recurrent: Array, units: int) -> None:
        self.kernel = kernel
        self.recurrent = recurrent
        self.units = units
        self.features = kernel.shape[0] - 1
        self.width = kernel.shape[1]
        self.dtype = kernel.dtype

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers for so many steps of so many rows, with the loop that fits."""
        raise NotImplementedError

    def for_steps(self) -> Stepped:
        """The weights packed once more, for single steps."""
        raise NotImplementedError


def with_row(matrix: Array, row: Array | None) -> Array:
    """The matrix with one more row, zeros if none is given; a copy in C order."""
    packed = np.zeros((matrix.shape[0] + 1, matrix.shape[1]), matrix.dtype)
    packed[:-1] = matrix
    if row is not None:
        packed[-1] = row
    return packed


class Buffers:
    """Arrays that a loop writes into: a gate is a contiguous slice of the first axis.

    A single row is kept in vectors, several rows units-major, (units, rows), so that
    the same calls serve both.

    Attributes:
        dtype: of all of them.
        trailing: the axes after the first: () for a single row, else (rows,).
    """

    def __init__(self, dtype: Any, trailing: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.trailing = trailing

    def empty(self, size: int) -> Array:
        """A buffer of so many units."""
        return np.empty((size, *self.trailing), self.dtype)

    def full(self, size: int, value: float) -> Array:
        """A constant of so many units.

        A ufunc takes twice as long where one of its arguments is a Python number.
        """
        return np.full((size, *self.trailing), value, self.dtype)

    def product(self, operand: Array, matrix: Array) -> tuple[Any, Array]:
        """A callable and its first argument; the second is where the product goes.

        It is made from the left for a vector, from the right for a matrix of rows.
        """
        return (matrix.T.dot, operand) if self.trailing else (operand.dot, matrix)


class Workspace(Buffers):
    """Buffers for some time steps of some rows, and every view that a loop uses.

    Attributes:
        y: (time + 1, units or units + 1, ...); the state h before the first step,
            and after each.
        states: the states by their order in Keras, as the loop leaves them after the
            last step for all but h.
        rows: for each step what the loop of the cell unpacks.
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

    def inside(self, rows: Array) -> Array:
        """An array (batch, ..., units) of the outside, seen as a buffer is."""
        view: Array = rows[0]
        if self.batch != 1:
            view = rows.T if rows.ndim == 2 else rows.transpose(1, 2, 0)
        return view

    def project(self, x: Array) -> None:
        """The product of x (batch, n, features) with the kernel, for n steps."""
        n, packed = x.shape[1], self.packed
        self.x[:n, : packed.features] = self.inside(x)
        if self.batch == 1:
            np.dot(self.x[:n], packed.kernel, self.projected[:n])
        else:
            np.matmul(packed.kernel.T, self.x[:n], self.projected[:n])

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The loop of the cell."""
        raise NotImplementedError

    rows: list[tuple[Any, ...]]

    def run_masked(self, mask: Array) -> None:
        """The loop where states stand still at masked steps; mask: (batch, n)."""
        if not self.saved:
            self.saved = [np.empty_like(state) for state in self.states[1:]]
        kept = list(zip(self.states[1:], self.saved))
        drop = ~mask.T
        for t in range(mask.shape[1]):
            h, following = self.h[t], self.h[t + 1]
            if self.batch == 1:
                if drop[t, 0]:
                    following[...] = h
                else:
                    self.run(self.rows[t : t + 1])
                continue
            for state, saved in kept:
                np.copyto(saved, state)
            self.run(self.rows[t : t + 1])
            np.copyto(following, h, where=drop[t])
            for state, saved in kept:
                np.copyto(state, saved, where=drop[t])


class Slot(Buffers):
    """What one layer of a chain reads and writes in the vector of the chain.

    Attributes:
        given: [input, 1].
        both: [input, 1, output].
        value: the output.
        biased: [1, output].
    """

    def __init__(self, vector: Array, start: int, features: int, units: int) -> None:
        super().__init__(vector.dtype, vector.shape[1:])
        middle = start + features
        self.given = vector[start : middle + 1]
        self.both = vector[start : middle + 1 + units]
        self.value = vector[middle + 1 : middle + 1 + units]
        self.biased = vector[middle : middle + 1 + units]


class Stepped:
    """A layer packed for single steps; immutable.

    Attributes:
        features: of its input.
        units: of its output.
    """

    features: int
    units: int

    def bind(self, slot: Slot) -> tuple[Advance, list[Array]]:
        """A function that takes the layer one step further, and its states.

        The states are buffers, the first of them ``slot.value``.
        """
        raise NotImplementedError
