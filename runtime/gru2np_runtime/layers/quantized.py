"""Layers that quantise their inputs, as Keras 3 does after ``model.quantize()``.

Each row of inputs gets a scale of its own and is rounded to whole numbers.  Its product
with a kernel of whole numbers is exact.  Dividing by both scales gives the outputs.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.activations import activate, add_to
from gru2np_runtime.layer import FEW, stored
from gru2np_runtime.layers.core import ReversibleEmbedding
from gru2np_runtime.layers.dense import Dense, EinsumDense

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer, Shape

WHOLE = "whole numbers, which the bundle holds as int8 already"
# Products of whole numbers up to 128 whose sum is exact in float32: 128 * 128 * 1024
# is 2 ** 24.
EXACT = 1024
# Keras adds them up in int32.
MOST_FEATURES = 2**31 // 128**2 - 1
LARGEST = 128.0


def quantized(x: Array, axes: Sequence[int], layer: Layer) -> tuple[Array, Array]:
    """Whole numbers for x, and the scale that x was multiplied by.

    ``scale = high / (max|x| + epsilon)`` over the axes, and ``round(x * scale)`` with
    halves to even, between ``low`` and ``high``.  Keras 3.15
    ``keras/src/quantizers/quantizers.py``, ``abs_max_quantize``.

    Args:
        x: of any floating point dtype.
        axes: that share a scale.
        layer: with the attributes ``low``, ``high`` and ``epsilon``.

    Returns:
        The numbers, in the dtype of x, and the scales, whose ``axes`` have size 1.
    """
    low, high, epsilon = (getattr(layer, key) for key in ("low", "high", "epsilon"))
    # An infinity has the scale 0, and gives NaN.
    with np.errstate(invalid="ignore"):
        scale = high / (np.abs(x).max(axis=tuple(axes), keepdims=True) + epsilon)
        numbers = np.rint(x * scale)
    return np.clip(numbers, low, high, out=numbers), scale


def exact_product(numbers: Array, kernel: Array) -> Array:
    """The product of two matrices of whole numbers up to 128, rounded once.

    Args:
        numbers: (rows, features).
        kernel: (features, units).
    """
    features = len(kernel)
    if features <= EXACT:
        return numbers @ kernel
    total = np.zeros((len(numbers), kernel.shape[1]), np.float64)
    for start in range(0, features, EXACT):
        total += numbers[:, start : start + EXACT] @ kernel[start : start + EXACT]
    return total.astype(numbers.dtype)


def descaled(y: Array, scale: Array) -> Array:
    """A product of whole numbers, divided by the scales of its factors."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: Array = np.divide(y, scale, out=y)
    return quotient


def check_range(layer: Layer) -> None:
    """Check the attributes ``low``, ``high`` and ``epsilon`` of a layer.

    Raises:
        ValueError: the range is not one of int8 around 0, or epsilon is not above 0.
    """
    low, high, epsilon = (getattr(layer, key) for key in ("low", "high", "epsilon"))
    for key, value in (("low", -low), ("high", high)):
        if not (0 < value <= LARGEST and value == int(value)):
            raise ValueError(
                f"{layer.op}: expected {key} to be a whole number that int8 holds, "
                f"got {getattr(layer, key)}"
            )
    if not 0 < epsilon < np.inf:
        raise ValueError(f"{layer.op}: expected epsilon above 0, got {epsilon}")


def check_features(op: str, features: int | None) -> None:
    """Refuse sums that could leave int32, in which Keras adds up.

    Raises:
        ValueError: there are too many terms.
    """
    if features is not None and features > MOST_FEATURES:
        raise ValueError(f"{op}: expected at most {MOST_FEATURES} terms of a sum")


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
        """The equation is one of EinsumDense, and the range is legal."""
        super().check()
        check_range(self)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """kernel and bias as EinsumDense, kernel_scale as the outputs, adapter.

        kernel_scale: the kernel's sizes at its letters of the output, 1 at others.
        adapter: as the kernel.
        """
        expected = super().weight_shapes(*shapes)
        x, kernel, y = self.terms()
        sizes = dict(zip(kernel, expected["kernel"]))
        summed = [sizes[letter] or 1 for letter in kernel if letter not in y]
        check_features(self.op, prod(summed))
        elided = len(shapes[0]) - len(x)
        before = elided if self.equation.startswith(".") else 0
        letters = [sizes.get(letter, 1) for letter in y]
        expected["kernel_scale"] = (
            *(1,) * before,
            *letters,
            *(1,) * (elided - before),
        )
        if self.adapted:
            expected["adapter"] = expected["kernel"]
        return expected

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x, kernel = inputs[0], weights["kernel"]
        letters, kernel_letters, y_letters = self.terms()
        before = x.ndim - len(letters) if self.equation.startswith(".") else 0
        summed = [i for i, letter in enumerate(letters) if letter not in y_letters]
        numbers, scale = quantized(x, [i + before for i in summed], self)
        terms = prod(x.shape[i + before] for i in summed)
        wide = np.dtype(np.float64) if terms > EXACT else numbers.dtype
        y = np.einsum(
            self.equation,
            numbers.astype(wide, copy=False),
            kernel.astype(wide, copy=False),
            optimize=True,
        ).astype(numbers.dtype)
        y = descaled(y, self._as_output(scale, before) * weights["kernel_scale"])
        if self.adapted:
            y = y + np.einsum(self.equation, x, weights["adapter"], optimize=True)
        if self.bias_axes:
            y = add_to(y, weights["bias"])
        return activate(self.activation, y)

    def _as_output(self, scale: Array, before: int) -> Array:
        """The scales of the inputs with the axes of the output.

        Args:
            scale: with the axes of the input, 1 at those of the sum.
            before: how many axes a leading ``...`` has.
        """
        letters, _, y = self.terms()
        after = scale.ndim - before - len(letters)
        # The axes of the input that stay, in the order of the output.
        kept = [before + letters.index(letter) for letter in y if letter in letters]
        order = [*range(before), *kept, *range(scale.ndim - after, scale.ndim)]
        sizes = [
            scale.shape[before + letters.index(i)] if i in letters else 1 for i in y
        ]
        lost = [i for i in range(scale.ndim) if i not in order]
        moved = scale.transpose(*order, *lost)
        shape = (
            *scale.shape[:before],
            *sizes,
            *scale.shape[scale.ndim - after :],
        )
        return moved.reshape(shape)


class QuantizedReversibleEmbedding(ReversibleEmbedding):
    """A ReversibleEmbedding of whole numbers, whose logits quantise their inputs.

    Row ``i`` of the table is ``embeddings[i] / embeddings_scale[i]``.  Keras 3.15
    ``keras/src/layers/core/reversible_embedding.py``, ``_int8_call``.

    Args:
        low: the least whole number for inputs.
        high: the greatest.
        epsilon: added to the largest input of a row, so that no scale is infinite.
    """

    op = "quantized_reversible_embedding"
    storage_axes = stored(
        embeddings=WHOLE,
        embeddings_scale=FEW,
        reverse_embeddings=WHOLE,
        reverse_embeddings_scale=FEW,
    )
    low: float
    high: float
    epsilon: float

    def check(self) -> None:
        """The table has a row and a column, and the range is legal."""
        super().check()
        check_range(self)
        check_features(self.op, self.output_dim)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """embeddings (input_dim, output_dim), embeddings_scale (input_dim,).

        If not tied, also reverse_embeddings (output_dim, input_dim) and
        reverse_embeddings_scale (input_dim,).
        """
        expected: dict[str, Shape] = {}
        for name, shape in super().weight_shapes(*shapes).items():
            expected[name] = shape
            expected[f"{name}_scale"] = (self.input_dim,)
        return expected

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """ids (batch, ...); or any input and vectors (batch, ..., output_dim)."""
        table, scales = weights["embeddings"], weights["embeddings_scale"]
        if len(inputs) == 1:
            rows: Array = super().forward(weights, *inputs)
            by_row = {"embeddings": scales[:, None]}
            return rows / super().forward(by_row, *inputs)
        x = inputs[1].astype(self.dtype, copy=False)
        kernel = table.T if self.tie_weights else weights["reverse_embeddings"]
        if not self.tie_weights:
            scales = weights["reverse_embeddings_scale"]
        numbers, scale = quantized(x.reshape(-1, self.output_dim), (-1,), self)
        y = descaled(exact_product(numbers, kernel), scale * scales)
        logits = y.reshape(*x.shape[:-1], self.input_dim)
        if not self.logit_soft_cap:
            return logits
        capped: Array = np.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return capped


LAYERS = {
    layer.op: layer
    for layer in (QuantizedDense, QuantizedEinsumDense, QuantizedReversibleEmbedding)
}
