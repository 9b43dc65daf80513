"""How quantised kernels and tables are stored: the parts of a form of weights.

A part makes one weight of a layer from arrays of the file.  All formulas are those of
Keras 3.15, ``keras/src/quantizers/quantizers.py`` and ``keras/src/layers/core``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gru2np.errors import ModelFileError
from gru2np.ir import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import Array, Shape

    Shapes = Mapping[str, Shape]

# Keras fails to quantise an equation with ``...``.
_EQUATION = re.compile("[a-zA-Z]+,([a-zA-Z]+)->([a-zA-Z]+)")


@dataclass(frozen=True)
class Part:
    """How one weight is stored.

    Attributes:
        sources: names of the arrays that it is computed from.
        arrays: names and shapes of its arrays in the order of the file, from its shape.
        join: the weight, from its shape and the arrays of ``sources``.
        whole: which of the arrays hold integers.
        words: what is done with them.
    """

    sources: tuple[str, ...]
    arrays: Callable[[Sequence[int]], dict[str, Shape]]
    join: Callable[[Sequence[int], Sequence[Array]], Array]
    whole: frozenset[str] = frozenset()
    words: str = ""


def assembled(parts: Mapping[str, Part], *, bias_first: bool) -> Form:
    """The form of a layer from the parts of its weights.

    Args:
        parts: by the name of the weight; others are stored as they are.
        bias_first: the others come before all parts, not after the first array.
    """

    def arrays(weights: Shapes) -> dict[str, Shape]:
        found: list[tuple[str, Shape]] = []
        plain = [(k, shape) for k, shape in weights.items() if k not in parts]
        for name, shape in weights.items():
            if name in parts:
                known = [n or 0 for n in shape]
                found += parts[name].arrays(known).items()
        at = 0 if bias_first else 1
        return dict([*found[:at], *plain, *found[at:]])

    def sources(name: str) -> tuple[str, ...]:
        return parts[name].sources if name in parts else (name,)

    def join(name: str, shape: Shape, stored: Sequence[Array]) -> Array:
        known = [n or 0 for n in shape]
        return parts[name].join(known, stored) if name in parts else stored[0]

    return Form(
        arrays,
        sources,
        join,
        ", ".join(dict.fromkeys(p.words for p in parts.values() if p.words)),
        frozenset().union(*(part.whole for part in parts.values())),
    )


def same(name: str) -> Part:
    """An array that is the weight."""
    return Part(
        (name,), lambda shape: {name: tuple(shape)}, lambda _shape, stored: stored[0]
    )


def whole(name: str) -> Part:
    """Whole numbers, one in each byte."""
    return Part(
        (name,),
        lambda shape: {name: tuple(shape)},
        lambda _shape, stored: stored[0].astype(np.int8, copy=False),
        frozenset({name}),
    )


def ones(name: str) -> Part:
    """Scales of 1, for a weight that is divided by its scales already.

    Its array belongs to that weight.
    """
    return Part(
        (name,),
        lambda _shape: {},
        lambda shape, stored: np.ones(shape, stored[0].dtype),
    )


def pairs(name: str, axis: int) -> Part:
    """Numbers from -8 to 7, two in each byte.

    Args:
        name: of the weight.
        axis: along which they are packed.
    """

    def arrays(shape: Sequence[int]) -> dict[str, Shape]:
        return {name: halved(shape, axis)}

    def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
        return signed(unpacked(stored[0], axis, shape[axis]))

    return Part((name,), arrays, join, frozenset({name}), "int4 is unpacked")


def scaled(name: str, numbers: Part, axis: int) -> Part:
    """Whole numbers divided by scales, one for each index of an axis."""

    def arrays(shape: Sequence[int]) -> dict[str, Shape]:
        return {**numbers.arrays(shape), f"{name}_scale": (shape[axis],)}

    def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
        scale = np.expand_dims(stored[1], 1) if axis == 0 else stored[1]
        quotient: Array = floats(numbers.join(shape, stored[:1])) / scale
        return quotient

    return _dequantized((*numbers.sources, f"{name}_scale"), arrays, join, {name})


def grouped(name: str, block: int, axis: int, kept: int) -> Part:
    """Numbers of int4 whose blocks have a scale and a zero each.

    The reverse table of a ReversibleEmbedding shares ``g_idx`` with its table.

    Args:
        name: of the weight, of two axes.
        block: how many numbers along ``axis`` share a scale.
        axis: of the weight, along which blocks run.
        kept: the other axis.
    """
    shared = name.startswith("reverse_")
    scale, zero = f"{name}_scale", f"{name}_zero"
    # A kernel is packed along its last axis, tables along the axis of vectors.
    packed = -1 if name == "kernel" else axis

    def arrays(shape: Sequence[int]) -> dict[str, Shape]:
        blocks = [shape[kept], shape[kept]]
        blocks[axis] = ceil(shape[axis] / block)
        found: dict[str, Shape] = {name: halved(shape, packed)}
        found[scale] = found[zero] = tuple(blocks)
        return found if shared else {**found, "g_idx": (shape[axis],)}

    def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
        numbers = signed(unpacked(stored[0], packed, shape[packed]))
        return of_groups(numbers, stored[1], stored[2], stored[3], axis)

    integers = {name} if shared else {name, zero}
    return _dequantized((name, scale, zero, "g_idx"), arrays, join, integers)


def transposed(bits: int, group: int, zero: str, activations: bool) -> Part:
    """A kernel of GPTQ or AWQ: (columns, rows), each group with a scale and a zero.

    Args:
        bits: of a number; two of 4 bits share a byte.
        group: how many rows share a scale; -1: all.
        zero: the name of the array of zeros.
        activations: rows are divided by scales of their inputs (AWQ).
    """

    def sizes(shape: Sequence[int]) -> tuple[int, int]:
        # Of a kernel of three axes, the greatest tells inputs from outputs.
        split = 1 if len(shape) < 3 or list(shape).index(max(shape)) == 0 else 2
        return prod(shape[:split]), prod(shape[split:])

    def arrays(shape: Sequence[int]) -> dict[str, Shape]:
        rows, columns = sizes(shape)
        groups = 1 if group == -1 else ceil(rows / group)
        found: dict[str, Shape] = {
            "kernel": (ceil(columns / 2) if bits == 4 else columns, rows),
            "kernel_scale": (columns, groups),
            zero: (columns, groups),
        }
        if activations:
            found["awq_scales"] = (rows,)
        return {**found, "g_idx": (rows,)}

    def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
        _, columns = sizes(shape)
        numbers = stored[0]
        if bits == 4:
            numbers = unpacked(numbers, 0, columns)
        kernel = of_groups(numbers, stored[1], stored[2], stored[3], 1).T
        if activations:
            kernel = kernel / stored[4][:, None]
        reshaped: Array = kernel.reshape(shape)
        return reshaped

    sources = ["kernel", "kernel_scale", zero, "g_idx"]
    if activations:
        sources.append("awq_scales")
    return _dequantized(tuple(sources), arrays, join, {"kernel", zero})


def adapter(main: str, rank: int, factor: float) -> Part:
    """What two matrices add to a kernel: ``factor * a @ b``.

    Args:
        main: the weight.
        rank: of the product.
        factor: of the product.
    """
    left, right = f"lora_{main}_a", f"lora_{main}_b"

    def arrays(shape: Sequence[int]) -> dict[str, Shape]:
        return {left: (*shape[:-1], rank), right: (rank, shape[-1])}

    def join(_shape: Sequence[int], stored: Sequence[Array]) -> Array:
        product: Array = np.multiply(factor, stored[0] @ stored[1])
        return product.astype(stored[0].dtype, copy=False)

    return Part((left, right), arrays, join, words="adapters are merged")


def added(first: Part, second: Part) -> Part:
    """The sum of two parts."""
    count = len(first.sources)

    def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
        return first.join(shape, stored[:count]) + second.join(shape, stored[count:])

    return Part(
        (*first.sources, *second.sources),
        lambda shape: {**first.arrays(shape), **second.arrays(shape)},
        join,
        first.whole | second.whole,
        ", ".join(words for words in (first.words, second.words) if words),
    )


class Equation(NamedTuple):
    """The equation of an EinsumDense: the letters of its kernel and of its output."""

    kernel: str
    output: str

    @classmethod
    def parsed(cls, equation: object) -> Equation | None:
        """From the text; None if it is none that Keras knows."""
        match = _EQUATION.fullmatch(equation) if isinstance(equation, str) else None
        return None if match is None else cls(match[1], match[2])

    @property
    def summed(self) -> list[int]:
        """The axes of the kernel that a sum runs over."""
        return [i for i, letter in enumerate(self.kernel) if letter not in self.output]

    @property
    def packed_axis(self) -> int:
        """The axis along which Keras before 3.14 packed int4."""
        return self.summed[0] if self.summed else 0

    def scaled(self, numbers: Part) -> Part:
        """Whole numbers divided by scales, which have the axes of the output."""

        def sizes(shape: Sequence[int]) -> dict[str, int]:
            return dict(zip(self.kernel, shape, strict=True))

        def arrays(shape: Sequence[int]) -> dict[str, Shape]:
            known = sizes(shape)
            scale = tuple(known.get(letter, 1) for letter in self.output)
            return {**numbers.arrays(shape), "kernel_scale": scale}

        def join(shape: Sequence[int], stored: Sequence[Array]) -> Array:
            order = [self.output.index(i) for i in self.kernel if i in self.output]
            others = [i for i in range(len(self.output)) if i not in order]
            scale = (
                stored[1]
                .transpose(*order, *others)
                .reshape(
                    [
                        1 if axis in self.summed else size
                        for axis, size in enumerate(shape)
                    ]
                )
            )
            quotient: Array = floats(numbers.join(shape, stored[:1])) / scale
            return quotient

        names = (*numbers.sources, "kernel_scale")
        return _dequantized(names, arrays, join, {"kernel"})

    def flat(self, block: int | None) -> Part:
        """A kernel of int4 as a matrix, since Keras 3.14.

        Its columns are the product of the axes that the output has.

        Args:
            block: how many rows share a scale; None: all.
        """

        def matrix(shape: Sequence[int]) -> list[int]:
            rows = prod(shape[axis] for axis in self.summed)
            return [rows, prod(shape) // rows if rows else 0]

        part = (
            scaled("kernel", pairs("kernel", -1), -1)
            if block is None
            else grouped("kernel", block, 0, 1)
        )
        return Part(
            part.sources,
            lambda shape: part.arrays(matrix(shape)),
            lambda shape, stored: part.join(matrix(shape), stored).reshape(shape),
            part.whole,
            part.words,
        )


def halved(shape: Sequence[int], axis: int) -> Shape:
    """The shape of bytes that hold two numbers each along an axis."""
    sizes = list(shape)
    sizes[axis] = ceil(sizes[axis] / 2)
    return tuple(sizes)


def unpacked(packed: Array, axis: int, size: int) -> Array:
    """Numbers from 0 to 15, of which each byte holds two, the low half first.

    Args:
        packed: bytes.
        axis: along which they are packed.
        size: of that axis, without the number that fills the last byte.
    """
    data = np.moveaxis(packed, axis, 0).astype(np.uint8)
    halves = np.stack([data & 15, data >> 4], axis=1)
    numbers = halves.reshape(2 * len(data), *data.shape[1:])[:size]
    return np.ascontiguousarray(np.moveaxis(numbers, 0, axis))


def signed(numbers: Array) -> Array:
    """Numbers from 0 to 15 as the numbers from -8 to 7 with the same four bits."""
    whole_numbers: Array = (numbers ^ 8).astype(np.int8) - np.int8(8)
    return whole_numbers


def of_groups(
    numbers: Array, scale: Array, zero: Array, groups: Array, axis: int
) -> Array:
    """``(numbers - zero) * scale``, both of the group of each index of an axis.

    Args:
        numbers: integers.
        scale: of each group along the axis.
        zero: of each group.
        groups: the group of each index, as floats.
        axis: along which the groups run.
    """
    # The comparison is false for NaN as well.
    if not ((groups >= 0) & (groups < scale.shape[axis])).all():
        raise ModelFileError(
            f"g_idx of a quantised layer: expected groups from 0 to "
            f"{scale.shape[axis] - 1}"
        )
    number = groups.astype(np.intp)
    zeros = floats(np.take(zero, number, axis))
    product: Array = (floats(numbers) - zeros) * np.take(scale, number, axis)
    return product


def floats(numbers: Array) -> Array:
    """Integers as float32, which holds them; floats as they are."""
    return numbers if numbers.dtype.kind == "f" else numbers.astype(np.float32)


def _dequantized(
    sources: tuple[str, ...],
    arrays: Callable[[Sequence[int]], dict[str, Shape]],
    join: Callable[[Sequence[int], Sequence[Array]], Array],
    integers: set[str],
) -> Part:
    words = "whole numbers are dequantised"
    return Part(sources, arrays, join, frozenset(integers), words)
