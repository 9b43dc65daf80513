"""Dense and its relatives: products with a kernel over the last axis."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import activate, add_to, axes_of, function_of
from gru2np_runtime.errors import Unsupported
from gru2np_runtime.functions import sigmoid
from gru2np_runtime.layer import FEW, Layer, across, sized, stored
from gru2np_runtime.layers.axes import (
    activated_shape,
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes

# Compiled where an equation is read: most models have none.
_EQUATION = r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis."""

    op = "dense"
    rows_apart = True
    storage_axes = stored(kernel=-1, bias=FEW)
    units: int
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """Units are at least 1."""
        check_minimum(self.op, "units", [self.units], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (features, units), bias (units,)."""
        expected: dict[str, Shape] = {"kernel": (shapes[0][-1], self.units)}
        if self.use_bias:
            expected["bias"] = (self.units,)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., units)."""
        normalize_axis(-1, len(shapes[0]))
        return (activated_shape(self.activation, (*shapes[0][:-1], self.units)),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., features) to (batch, ..., units)."""
        x, kernel = inputs[0], weights["kernel"]
        # One product of all rows: NumPy makes one for each of the first axis.
        y = x.reshape(prod(x.shape[:-1]), kernel.shape[0]) @ kernel
        if self.use_bias:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y.reshape(*x.shape[:-1], kernel.shape[1]))

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is neither the last axis nor the activation's."""
        return per_step_unless_time_in((-1, *axes_of(self.activation)), len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Every feature with every unit."""
        return prod(inputs[0]) * self.units


class Highway(Layer):
    """``t * activation(x @ kernel + bias) + (1 - t) * x``.

    With ``t = sigmoid(x @ carry_kernel + carry_bias)``; Srivastava et al. 2015, Keras
    1.2 ``keras/layers/core.py``.
    """

    op = "highway"
    rows_apart = True
    storage_axes = stored(kernel=-1, carry_kernel=-1, bias=FEW, carry_bias=FEW)
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel, carry_kernel (features, features), bias, carry_bias (features,)."""
        features = shapes[0][-1]
        expected: dict[str, Shape] = {
            "kernel": (features, features),
            "carry_kernel": (features, features),
        }
        if self.use_bias:
            expected.update(bias=(features,), carry_bias=(features,))
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's, (batch, features)."""
        normalize_axis(-1, len(shapes[0]))
        if activated_shape(self.activation, shapes[0]) != shapes[0]:
            raise ValueError("highway: the activation changes the shape")
        return (shapes[0],)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., features)."""
        x = inputs[0]
        y, t = x @ weights["kernel"], x @ weights["carry_kernel"]
        if self.use_bias:
            y, t = y + weights["bias"], t + weights["carry_bias"]
        t = sigmoid(t)
        carried: Array = (1.0 - t) * x
        return t * function_of(self.activation)(y) + carried

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is neither the last axis nor the activation's."""
        return per_step_unless_time_in((-1, *axes_of(self.activation)), len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Every feature with every feature, twice."""
        return 2 * prod(inputs[0]) * inputs[0][-1]


class MaxoutDense(Layer):
    """The largest of ``pieces`` linear layers; Goodfellow et al. 2013.

    Keras 1.2 ``keras/layers/core.py``.
    """

    op = "maxout_dense"
    rows_apart = True
    storage_axes = stored(kernel=-1, bias=FEW)
    units: int
    pieces: int
    use_bias: bool = True

    def check(self) -> None:
        """Units and pieces are at least 1."""
        check_minimum(self.op, "units", [self.units], 1)
        check_minimum(self.op, "pieces", [self.pieces], 1)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (pieces, features, units), bias (pieces, units)."""
        expected: dict[str, Shape] = {
            "kernel": (self.pieces, shapes[0][-1], self.units)
        }
        if self.use_bias:
            expected["bias"] = (self.pieces, self.units)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, units)."""
        normalize_axis(-1, len(shapes[0]))
        return ((*shapes[0][:-1], self.units),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., features) to (batch, ..., units)."""
        kernel = weights["kernel"]
        flat = kernel.transpose(1, 0, 2).reshape(kernel.shape[1], -1)
        y = (inputs[0] @ flat).reshape(*inputs[0].shape[:-1], self.pieces, self.units)
        if self.use_bias:
            y = y + weights["bias"]
        largest: Array = y.max(axis=-2)
        return largest

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise where time is not the last axis."""
        return per_step_unless_time_in([-1], len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Every feature with every unit of every piece."""
        return prod(inputs[0]) * self.pieces * self.units


class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Keras 3.15 ``keras/src/layers/core/einsum_dense.py``.

    Args:
        equation: ``ab,bc->ac``; ``...`` may stand for axes of x and of the output, in
            front of both or behind both.
        output_shape: of the output without the batch and the axes of ``...``; None
            where the input gives a size.
        bias_axes: letters of the output that the bias has; empty: there is none.
        activation: of the result.
    """

    op = "einsum_dense"
    rows_apart = True
    storage_axes = stored(kernel=-1, bias=FEW)
    over_time = across
    equation: str
    output_shape: tuple[int | None, ...]
    bias_axes: str = ""
    activation: ActivationSpec = "linear"

    def check(self) -> None:
        """The equation is one that Keras takes, and leaves the batch in front."""
        x, kernel, y = self.terms()
        if any(len(set(term)) != len(term) for term in (x, kernel, y)):
            raise ValueError(f"{self.op}: a letter twice in {self.equation!r}")
        if not set(y) <= set(x + kernel) or not set(kernel) <= set(x + y):
            raise ValueError(f"{self.op}: a letter of nothing in {self.equation!r}")
        if not set(self.bias_axes) <= set(y):
            raise ValueError(f"{self.op}: no axes {self.bias_axes!r} in {y!r}")
        if not self.equation.startswith(".") and (x[0] != y[0] or x[0] in kernel):
            raise ValueError(f"{self.op}: {self.equation!r} moves the batch")
        check_minimum(self.op, "output_shape", [n or 1 for n in self.output_shape], 1)

    def terms(self) -> tuple[str, str, str]:
        """The letters of input, kernel and output.

        Raises:
            ValueError: the equation is none that Keras takes.
        """
        match = re.fullmatch(_EQUATION, self.equation)
        if match is None:
            raise ValueError(f"{self.op}: illegal equation {self.equation!r}")
        left, x, right, kernel, left_too, y, right_too = match.groups()
        if (left, right) != (left_too, right_too) or (left and right):
            raise ValueError(f"{self.op}: illegal dots in {self.equation!r}")
        return x, kernel, y

    def _sizes(self, shape: Shape) -> tuple[dict[str, int | None], Shape, int]:
        """The size of every letter, the output's shape, and how many axes are dots."""
        x, kernel, y = self.terms()
        elided = len(shape) - len(x)
        if elided < 0 or (elided and "." not in self.equation):
            raise ValueError(f"{self.op}: {self.equation!r} for an input of {shape}")
        in_front = elided if self.equation.startswith(".") else 0
        # Where dots stand for no axis, a letter is the batch.
        if not in_front and (x[0] != y[0] or x[0] in kernel):
            raise Unsupported(f"{self.op}: {self.equation!r} moves the batch")
        output: list[int | None] = [shape[0], *self.output_shape]
        output[1:1] = shape[1:in_front]
        output += shape[len(x) + in_front :]
        if len(output) != len(y) + elided:
            raise ValueError(
                f"{self.op}: {self.equation!r} gives no {self.output_shape} for an "
                f"input of {shape}"
            )
        sizes = dict(zip(x, shape[in_front:]))
        for letter, size in zip(y, output[in_front:]):
            own = sizes.setdefault(letter, size)
            if own is None:
                sizes[letter] = size
            elif size not in (None, own):
                raise ValueError(f"{self.op}: {letter!r} is {own} and {size}")
        output[in_front : in_front + len(y)] = [sizes[letter] for letter in y]
        return sizes, tuple(output), elided - in_front

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel: sizes of its letters; bias: those of the output from its first on."""
        sizes, _, behind = self._sizes(shapes[0])
        _, kernel, y = self.terms()
        expected: dict[str, Shape] = {"kernel": tuple(sizes[i] for i in kernel)}
        if None in expected["kernel"]:
            raise ValueError(f"{self.op}: no size for an axis of the kernel")
        if self.bias_axes:
            own = y[min(y.index(letter) for letter in self.bias_axes) :]
            bias = [sizes[i] if i in self.bias_axes else 1 for i in own]
            expected["bias"] = (*bias, *(1,) * behind)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """As the equation says."""
        return (activated_shape(self.activation, self._sizes(shapes[0])[1]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        y: Array = np.einsum(self.equation, inputs[0], weights["kernel"], optimize=True)
        if self.bias_axes:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y)

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Every number of x with all that the letters of the kernel alone stand for."""
        x, kernel, _ = self.terms()
        shape = sized(self.weight_shapes(inputs[0])["kernel"])
        alone = [size for letter, size in zip(kernel, shape) if letter not in x]
        return prod(inputs[0]) * prod(alone)


LAYERS = {layer.op: layer for layer in (Dense, EinsumDense, Highway, MaxoutDense)}
