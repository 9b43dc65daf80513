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
from gru2np_runtime.layers.quantized import (
    EXACT,
    WHOLE,
    check_features,
    check_range,
    descaled,
    exact_product,
    quantized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import ActivationSpec, Array, Shape, Sizes

# A text, compiled on first use: most models have no EinsumDense.
_EQUATION = r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis."""

    op = "dense"
    independent_rows = True
    storage_axes = stored(kernel=-1, bias=FEW)
    units: int
    activation: ActivationSpec = "linear"
    use_bias: bool = True

    def check(self) -> None:
        """``units`` is at least 1."""
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
        # All rows in one product: NumPy would compute one per index of the first axis.
        y = x.reshape(prod(x.shape[:-1]), kernel.shape[0]) @ kernel
        if self.use_bias:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y.reshape(*x.shape[:-1], kernel.shape[1]))

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is the last axis or an axis of the activation."""
        return per_step_unless_time_in((-1, *axes_of(self.activation)), len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Rows * features * units."""
        return prod(inputs[0]) * self.units


class Highway(Layer):
    """``t * activation(x @ kernel + bias) + (1 - t) * x``.

    ``t = sigmoid(x @ carry_kernel + carry_bias)``.  Srivastava et al. 2015; Keras 1.2
    ``keras/layers/core.py``.
    """

    op = "highway"
    independent_rows = True
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
        """The input's shape."""
        normalize_axis(-1, len(shapes[0]))
        if activated_shape(self.activation, shapes[0]) != shapes[0]:
            raise ValueError(
                "highway: expected an activation that keeps the shape, "
                f"got {self.activation}"
            )
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
        """Per step unless time is the last axis or an axis of the activation."""
        return per_step_unless_time_in((-1, *axes_of(self.activation)), len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """2 * rows * features * features."""
        return 2 * prod(inputs[0]) * inputs[0][-1]


class MaxoutDense(Layer):
    """The maximum of ``pieces`` linear layers; Goodfellow et al. 2013.

    Keras 1.2 ``keras/layers/core.py``.
    """

    op = "maxout_dense"
    independent_rows = True
    storage_axes = stored(kernel=-1, bias=FEW)
    units: int
    pieces: int
    use_bias: bool = True

    def check(self) -> None:
        """``units`` and ``pieces`` are at least 1."""
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
        """(batch, ..., units)."""
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
        """Per step unless time is the last axis."""
        return per_step_unless_time_in([-1], len(shapes[0]))

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Rows * features * pieces * units."""
        return prod(inputs[0]) * self.pieces * self.units


class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Keras 3.15 ``keras/src/layers/core/einsum_dense.py``.

    Args:
        equation: ``ab,bc->ac``; ``...`` may stand for axes of x and of the output,
            before the letters of both or after the letters of both.
        output_shape: the output's shape without the batch and the axes of ``...``; None
            for sizes of the input.
        bias_axes: letters of the output that are axes of the bias; empty: no bias.
        activation: applied to the result.
    """

    op = "einsum_dense"
    independent_rows = True
    storage_axes = stored(kernel=-1, bias=FEW)
    over_time = across
    equation: str
    output_shape: tuple[int | None, ...]
    bias_axes: str = ""
    activation: ActivationSpec = "linear"

    def check(self) -> None:
        """The equation is one that Keras supports, and keeps the batch axis first."""
        x, kernel, y = self.terms()
        if any(len(set(term)) != len(term) for term in (x, kernel, y)):
            raise ValueError(
                f"{self.op}: expected different letters in each term of the equation, "
                f"got {self.equation!r}"
            )
        if not set(y) <= set(x + kernel) or not set(kernel) <= set(x + y):
            raise ValueError(
                f"{self.op}: expected each letter of the output and of the kernel in "
                f"another term too, got {self.equation!r}"
            )
        if not set(self.bias_axes) <= set(y):
            raise ValueError(
                f"{self.op}: expected bias_axes among the output's letters {y!r}, "
                f"got {self.bias_axes!r}"
            )
        if not self.equation.startswith(".") and (x[0] != y[0] or x[0] in kernel):
            raise ValueError(f"{self.op}: {self.equation!r} moves the batch axis")
        check_minimum(self.op, "output_shape", [n or 1 for n in self.output_shape], 1)

    def terms(self) -> tuple[str, str, str]:
        """The letters of input, kernel and output.

        Raises:
            ValueError: Keras does not support the equation.
        """
        match = re.fullmatch(_EQUATION, self.equation)
        if match is None:
            raise ValueError(f"{self.op}: illegal equation {self.equation!r}")
        x_start, x, x_end, kernel, y_start, y, y_end = match.groups()
        if (x_start, x_end) != (y_start, y_end) or (x_start and x_end):
            raise ValueError(
                f"{self.op}: expected '...' once in input and output, at the same end; "
                f"got {self.equation!r}"
            )
        return x, kernel, y

    def _sizes(self, shape: Shape) -> tuple[dict[str, int | None], Shape, int]:
        """Sizes by letter, the output's shape, and how many axes a last ``...`` has."""
        x, kernel, y = self.terms()
        elided = len(shape) - len(x)
        if elided < 0 or (elided and "." not in self.equation):
            raise ValueError(
                f"{self.op}: {self.equation!r} does not fit an input of shape {shape}"
            )
        leading = elided if self.equation.startswith(".") else 0
        # Where ``...`` stands for no axis, the first letter is the batch axis.
        if not leading and (x[0] != y[0] or x[0] in kernel):
            raise Unsupported(f"{self.op}: {self.equation!r} moves the batch axis")
        output: list[int | None] = [shape[0], *self.output_shape]
        output[1:1] = shape[1:leading]
        output += shape[len(x) + leading :]
        if len(output) != len(y) + elided:
            raise ValueError(
                f"{self.op}: output_shape {self.output_shape} does not fit "
                f"{self.equation!r} for an input of shape {shape}"
            )
        sizes = dict(zip(x, shape[leading:]))
        for letter, size in zip(y, output[leading:]):
            known = sizes.setdefault(letter, size)
            if known is None:
                sizes[letter] = size
            elif size not in (None, known):
                raise ValueError(
                    f"{self.op}: expected size {known} of axis {letter!r} in the "
                    f"output, got {size}"
                )
        output[leading : leading + len(y)] = [sizes[letter] for letter in y]
        return sizes, tuple(output), elided - leading

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel: the sizes of its letters; bias: broadcasts to the output."""
        sizes, _, trailing = self._sizes(shapes[0])
        _, kernel, y = self.terms()
        expected: dict[str, Shape] = {"kernel": tuple(sizes[i] for i in kernel)}
        if None in expected["kernel"]:
            raise ValueError(
                f"{self.op}: expected a known size of every kernel axis, "
                f"got {expected['kernel']}"
            )
        if self.bias_axes:
            letters = y[min(y.index(letter) for letter in self.bias_axes) :]
            bias = [sizes[i] if i in self.bias_axes else 1 for i in letters]
            expected["bias"] = (*bias, *(1,) * trailing)
        return expected

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ...), as the equation and ``output_shape`` state."""
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
        """Elements of x times the sizes of the kernel's axes that x does not have."""
        x, kernel, _ = self.terms()
        shape = sized(self.weight_shapes(inputs[0])["kernel"])
        new = [size for letter, size in zip(kernel, shape) if letter not in x]
        return prod(inputs[0]) * prod(new)


class QuantizedDense(Dense):
    """``activation((q @ kernel) / (scale * kernel_scale) + bias)``.

    ``q`` and ``scale`` are the inputs quantised row by row.  Keras 3.15
    ``keras/src/layers/core/dense.py``, ``_int8_call`` and ``_int4_call``.

    Args:
        low: the least whole number for inputs.
        high: the greatest.
        epsilon: added to the largest input of a row, so that no scale is infinite.
        adapted: the float inputs are multiplied with ``adapter`` too (LoRA).
    """

    op = "quantized_dense"
    storage_axes = stored(kernel=WHOLE, bias=FEW, kernel_scale=FEW, adapter=-1)
    low: float
    high: float
    epsilon: float
    adapted: bool = False

    def check(self) -> None:
        """``units`` is at least 1, and the range is legal."""
        super().check()
        check_range(self)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel (features, units), bias (units,), kernel_scale (units,), adapter.

        adapter: (features, units).
        """
        features = shapes[0][-1]
        check_features(self.op, features)
        expected = super().weight_shapes(*shapes)
        expected["kernel_scale"] = (self.units,)
        if self.adapted:
            expected["adapter"] = (features, self.units)
        return expected

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., features) to (batch, ..., units)."""
        x, kernel = inputs[0], weights["kernel"]
        rows = x.reshape(prod(x.shape[:-1]), kernel.shape[0])
        numbers, scale = quantized(rows, (-1,), self)
        y = exact_product(numbers, kernel)
        y = descaled(y, weights["kernel_scale"] * scale)
        if self.adapted:
            y = y + rows @ weights["adapter"]
        if self.use_bias:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y.reshape(*x.shape[:-1], kernel.shape[1]))


class QuantizedEinsumDense(EinsumDense):
    """EinsumDense of quantised inputs; the axes that a sum runs over share a scale.

    Keras 3.15 ``keras/src/layers/core/einsum_dense.py``, ``_int8_call`` and
    ``_int4_call``.

    Args:
        low: the least whole number for inputs.
        high: the greatest.
        epsilon: added to the largest input of a row, so that no scale is infinite.
        adapted: the float inputs are multiplied with ``adapter`` too (LoRA).
    """

    op = "quantized_einsum_dense"
    storage_axes = stored(
        kernel=WHOLE, bias=FEW, kernel_scale=FEW, adapter="it belongs to such a kernel"
    )
    low: float
    high: float
    epsilon: float
    adapted: bool = False

    def check(self) -> None:
        """The equation is one of EinsumDense without ``...``, and the range is legal.

        Keras fails to quantise an equation with ``...``.
        """
        super().check()
        check_range(self)
        if "." in self.equation:
            raise ValueError(
                f"{self.op}: {self.equation!r} is never quantised by Keras"
            )

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel and bias as EinsumDense, kernel_scale as the outputs, adapter.

        kernel_scale: the kernel's sizes at its letters of the output, 1 at others.
        adapter: as the kernel.
        """
        expected = super().weight_shapes(*shapes)
        _, kernel, y = self.terms()
        sizes = dict(zip(kernel, expected["kernel"]))
        summed = [sizes[letter] or 1 for letter in kernel if letter not in y]
        check_features(self.op, prod(summed))
        expected["kernel_scale"] = tuple(sizes.get(letter, 1) for letter in y)
        if self.adapted:
            expected["adapter"] = expected["kernel"]
        return expected

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x, kernel = inputs[0], weights["kernel"]
        letters, _, y_letters = self.terms()
        summed = [i for i, letter in enumerate(letters) if letter not in y_letters]
        numbers, scale = quantized(x, summed, self)
        wide = prod(x.shape[i] for i in summed) > EXACT
        dtype = np.dtype(np.float64) if wide else numbers.dtype
        factors = numbers.astype(dtype, copy=False), kernel.astype(dtype, copy=False)
        y = np.einsum(self.equation, *factors, optimize=True).astype(numbers.dtype)
        # The scales of the inputs, with the axes of the output.
        kept = [letter for letter in y_letters if letter in letters]
        order = [*map(letters.index, kept), *summed]
        sizes = [x.shape[letters.index(i)] if i in kept else 1 for i in y_letters]
        scale = scale.transpose(order).reshape(sizes)
        y = descaled(y, scale * weights["kernel_scale"])
        if self.adapted:
            y = y + np.einsum(self.equation, x, weights["adapter"], optimize=True)
        if self.bias_axes:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y)


LAYERS = {
    layer.op: layer
    for layer in (
        Dense,
        EinsumDense,
        Highway,
        MaxoutDense,
        QuantizedDense,
        QuantizedEinsumDense,
    )
}
