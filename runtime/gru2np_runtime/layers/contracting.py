"""Products summed over axes: Einstein's notation, and a tensor with a constant."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError, Unsupported
from gru2np_runtime.layer import ACROSS, PER_STEP
from gru2np_runtime.layers.axes import normalize_axis
from gru2np_runtime.layers.operation import Operation, check_floats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes


def _same_floats(op: str, dtypes: Sequence[str]) -> str:
    if len(set(dtypes)) > 1:
        raise ValueError(f"{op}: {' and '.join(dtypes)} together are not supported")
    check_floats(op, dtypes[0])
    return dtypes[0]


class Einsum(Operation):
    """Products of one or two tensors, and perhaps a constant, in Einstein's notation.

    ``keras/src/ops/numpy.py``, Einsum.  The first letter of every tensor is the batch,
    and first in the output.

    Args:
        equation: ``abc,adc->abd``: letters and commas, without spaces and dots.
        constant: the numbers of the constant, in C order; empty for none.
        constant_shape: its shape; empty for none.
        constant_first: the constant is the first operand, else the last.
    """

    op = "einsum"
    takes_several = True
    equation: str
    constant: tuple[float, ...] = ()
    constant_shape: tuple[int, ...] = ()
    constant_first: bool = False

    def _terms(self) -> tuple[list[str], str]:
        """The letters of each tensor and constant, and those of the output."""
        left, _, right = self.equation.partition("->")
        return left.split(","), right

    def _of_constant(self) -> int | None:
        terms, _ = self._terms()
        if not self.constant_shape:
            return None
        return 0 if self.constant_first else len(terms) - 1

    def check(self) -> None:
        """The equation is whole, and no tensor's batch is summed or moved."""
        terms, out = self._terms()
        letters = "".join(terms)
        plain = self.equation.replace("->", "", 1).replace(",", "")
        if not (plain.isascii() and plain.isalpha()) or "->" not in self.equation:
            raise ValueError(f"einsum: expected letters, got {self.equation!r}")
        if (
            len(terms) not in (1, 2)
            or len(set(out)) < len(out)
            or set(out) - {*letters}
        ):
            raise ValueError(f"einsum: {self.equation!r} is not supported")
        if any(len(set(term)) < len(term) for term in terms):
            raise ValueError(f"einsum: a letter twice in a term of {self.equation!r}")
        constant = self._of_constant()
        tensors = [term for i, term in enumerate(terms) if i != constant]
        batch = out[:1]
        if not tensors or not batch or any(term[:1] != batch for term in tensors):
            raise Unsupported(
                f"einsum: expected the batch first in every tensor and in the output, "
                f"got {self.equation!r}, which mixes samples"
            )
        if constant is not None:
            if batch in terms[constant]:
                raise Unsupported("einsum: a constant with the batch axis")
            if len(terms[constant]) != len(self.constant_shape):
                raise ValueError("einsum: the constant does not fit the equation")
        if prod(self.constant_shape) != len(self.constant) and self.constant_shape:
            raise ValueError("einsum: the constant does not fit its shape")

    def _sizes(self, shapes: Sequence[Shape]) -> dict[str, int | None]:
        terms, _ = self._terms()
        constant = self._of_constant()
        given = list(shapes)
        if constant is not None:
            given.insert(constant, self.constant_shape)
        if len(given) != len(terms):
            raise ValueError(f"einsum: {len(given)} operands for {self.equation!r}")
        sizes: dict[str, int | None] = {}
        for term, shape in zip(terms, given):
            if len(term) != len(shape):
                raise ValueError(f"einsum: {self.equation!r} for shapes {shapes}")
            for letter, size in zip(term, shape):
                known = sizes.get(letter)
                if known is not None and size is not None and known != size:
                    raise InputError(f"einsum: {self.equation!r} for shapes {shapes}")
                sizes[letter] = size if known is None else known
        return sizes

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The sizes of the letters of the output."""
        sizes = self._sizes(shapes)
        return (tuple(sizes[letter] for letter in self._terms()[1]),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of all tensors, which must be the same float."""
        return _same_floats(self.op, dtypes)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """One or two tensors: (batch, ...)."""
        self._sizes([x.shape for x in inputs])
        terms, out = self._terms()
        operands = list(inputs)
        if self.constant_shape:
            constant = np.array(self.constant).astype(inputs[0].dtype)
            place = self._of_constant()
            assert place is not None
            operands.insert(place, constant.reshape(self.constant_shape))
        with np.errstate(all="ignore"):
            if len(operands) == 1:
                return np.asarray(np.einsum(self.equation, operands[0]))
            return _product(terms[0], operands[0], terms[1], operands[1], out)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where the second letter is that of all tensors and of the output."""
        terms, out = self._terms()
        constant = self._of_constant()
        tensors = [term for i, term in enumerate(terms) if i != constant]
        ranks = {len(term) for term in tensors}
        seconds = {term[1:2] for term in (*tensors, out)}
        others = "" if constant is None else terms[constant]
        alike = len(seconds) == 1 and len(ranks) == 1 and ranks != {1}
        return PER_STEP if alike and not seconds & {*others} else ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The product of the sizes of all letters, for a product."""
        if len(self._terms()[0]) == 1:
            return 0
        return prod(size or 0 for size in self._sizes(inputs).values())


def _product(first: str, x: Array, second: str, y: Array, out: str) -> Array:
    """The sum over products of two arrays, by a product of matrices."""
    x, first = _summed(first, x, second + out)
    y, second = _summed(second, y, first + out)
    shared = [c for c in first if c in second and c in out]
    inner = [c for c in first if c in second and c not in out]
    left = [c for c in first if c not in second]
    right = [c for c in second if c not in first]
    sizes = dict(zip(first + second, x.shape + y.shape))
    x = x.transpose([first.index(c) for c in (*shared, *left, *inner)])
    y = y.transpose([second.index(c) for c in (*shared, *inner, *right)])
    counts = [prod(sizes[c] for c in group) for group in (shared, left, inner, right)]
    product = np.matmul(
        x.reshape(counts[0], counts[1], counts[2]),
        y.reshape(counts[0], counts[2], counts[3]),
    )
    letters = (*shared, *left, *right)
    product = product.reshape([sizes[c] for c in letters])
    return np.asarray(product.transpose([letters.index(c) for c in out]))


def _summed(term: str, x: Array, needed: str) -> tuple[Array, str]:
    """x summed over letters that nothing else has."""
    alone = tuple(i for i, c in enumerate(term) if c not in needed)
    if not alone:
        return x, term
    return x.sum(axis=alone), "".join(c for c in term if c in needed)


class Contraction(Operation):
    """The product of a tensor and a constant, summed over axes of both.

    ``keras/src/ops/numpy.py``, Dot, Matmul and Tensordot; ``tf.tensordot``.  The output
    has the other axes of the tensor, then those of the constant.

    Args:
        axes: the axes of the tensor, not the batch.
        constant_axes: the axis of the constant for each.
        constant: its numbers, in C order.
        constant_shape: its shape.
    """

    op = "contraction"
    axes: tuple[int, ...]
    constant_axes: tuple[int, ...]
    constant: tuple[float, ...]
    constant_shape: tuple[int, ...]

    def check(self) -> None:
        """The constant fits its shape and has the axes."""
        rank = len(self.constant_shape)
        if prod(self.constant_shape) != len(self.constant) or not self.constant:
            raise ValueError("contraction: the constant does not fit its shape")
        if len(self.axes) != len(self.constant_axes) or not all(
            -rank <= axis < rank for axis in self.constant_axes
        ):
            raise ValueError(
                f"contraction: axes {self.axes} and {self.constant_axes} for a "
                f"constant of shape {self.constant_shape}"
            )
        if len({axis % rank for axis in self.constant_axes}) < len(self.constant_axes):
            raise ValueError("contraction: an axis named twice")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The other axes of the tensor, then those of the constant."""
        x, rank = shapes[0], len(self.constant_shape)
        axes = [normalize_axis(axis, len(x)) for axis in self.axes]
        of_constant = [axis % rank for axis in self.constant_axes]
        if len({*axes}) < len(axes):
            raise ValueError("contraction: an axis named twice")
        for axis, other in zip(axes, of_constant):
            if x[axis] not in (None, self.constant_shape[other]):
                raise InputError(
                    f"contraction: an axis of size {x[axis]} with one of size "
                    f"{self.constant_shape[other]}"
                )
        rest = [size for i, size in enumerate(x) if i not in axes]
        more = [n for i, n in enumerate(self.constant_shape) if i not in of_constant]
        return ((*rest, *more),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of the tensor, which must be a float."""
        check_floats(self.op, dtypes[0])
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        self.output_shapes(x.shape)
        constant = np.array(self.constant).astype(x.dtype)
        constant = constant.reshape(self.constant_shape)
        with np.errstate(all="ignore"):
            return np.asarray(
                np.tensordot(x, constant, (self.axes, self.constant_axes))
            )

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the sum is over time."""
        rank = len(shapes[0])
        axes = {normalize_axis(axis, rank) for axis in self.axes}
        return ACROSS if 1 in axes or rank < 3 else PER_STEP

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Elements of the output times those of the sum."""
        summed = prod(self.constant_shape[axis] for axis in self.constant_axes)
        return prod(outputs[0]) * summed


LAYERS = {layer.op: layer for layer in (Contraction, Einsum)}
