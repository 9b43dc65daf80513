"""Categories: bins, vocabularies, and the encoding of indices as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, PER_STEP, Layer, no_products
from gru2np_runtime.layers.axes import (
    check_choice,
    check_minimum,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

# An index, or one of three encodings of indices as vectors.
OUTPUTS = ("int", "one_hot", "multi_hot", "count")


class Encoding(Layer):
    """Base of the layers of categories: computes indices, or encodes them as vectors.

    ``one_hot`` gives a vector for each index.  ``multi_hot`` and ``count`` give one
    vector for each sample (batch, indices): which categories occur, or how often.

    Args:
        output: ``int``, ``one_hot``, ``multi_hot`` or ``count``.
    """

    keeps_dtype = True
    independent_rows = True
    multiply_adds = no_products
    output: str = "int"

    def check(self) -> None:
        """``output`` is one of ``OUTPUTS``."""
        check_choice(self.op, "output", self.output, OUTPUTS)

    def size(self) -> int:
        """The number of categories, the length of a vector."""
        raise NotImplementedError

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """``int``: the input's shape; ``one_hot``: (batch, ..., categories).

        ``one_hot`` drops a last axis of size 1.  Others: (batch, categories).
        """
        x = shapes[0]
        if self.output == "int":
            return (x,)
        if self.output == "one_hot":
            single = len(x) > 1 and x[-1] == 1
            return ((*(x[:-1] if single else x), self.size()),)
        if len(x) != 2:
            raise ValueError(
                f"{self.op}: expected (batch, indices) for output={self.output!r}, "
                f"got {x}"
            )
        return ((x[0], self.size()),)

    def encode(self, index: Array, index_weights: Array | None = None) -> Array:
        """The vectors of indices; indices beyond the categories give zeros.

        Args:
            index: integers from 0 on.
            index_weights: with ``count``, what each index adds; None: 1.
        """
        if self.output == "one_hot" and index.ndim > 1 and index.shape[-1] == 1:
            index = index[..., 0]
        matches: Array = index[..., None] == np.arange(self.size())
        vectors = matches
        if self.output == "multi_hot":
            vectors = np.asarray(matches.any(axis=1))
        elif self.output == "count":
            if index_weights is not None:
                matches = matches * index_weights[..., None]
            vectors = matches.sum(axis=1)
        return vectors.astype(self.result_dtype() or self.dtype)

    def over_time(self, *shapes: Shape) -> str:
        """Per step where each time step gives its own index or vector."""
        per_index = self.output == "int" or (
            self.output == "one_hot" and len(shapes[0]) > 1 and shapes[0][-1] != 1
        )
        return PER_STEP if per_index and len(shapes[0]) > 1 else ACROSS


class CategoryEncoding(Encoding):
    """Integers as vectors.

    Keras 3.15 ``keras/src/layers/preprocessing/category_encoding.py``.

    Args:
        num_tokens: the number of categories.
        leaves_out: integers >= ``num_tokens`` give zeros; else they are an error.
    """

    op = "category_encoding"
    ids = "num_tokens"
    takes_several = True
    num_tokens: int
    leaves_out: bool = False

    def check(self) -> None:
        """``num_tokens`` is at least 1, and ``output`` an encoding as vectors."""
        super().check()
        check_minimum(self.op, "num_tokens", [self.num_tokens], 1)
        check_choice(self.op, "output", self.output, OUTPUTS[1:])

    def size(self) -> int:
        """``num_tokens``."""
        return self.num_tokens

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., num_tokens)."""
        if len(shapes) > 2 or (len(shapes) == 2 and self.output != "count"):
            raise ValueError(
                f"{self.op}: expected indices, and weights only with output='count'; "
                f"got {len(shapes)} inputs with output={self.output!r}"
            )
        if len(shapes) == 2 and len(shapes[1]) != 2:
            raise ValueError(
                f"{self.op}: expected weights (batch, indices), got {shapes[1]}"
            )
        return super().output_shapes(shapes[0])

    def result_dtype(self) -> str | None:
        """The layer's dtype."""
        return self.dtype

    def breakpoints(self) -> tuple[float, ...]:
        """The first integer that gives zeros, with ``leaves_out``."""
        return (self.num_tokens,) if self.leaves_out else ()

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), and optionally weights of the indices, of x's shape."""
        x = inputs[0]
        outside = ~((x >= 0) & (x < (np.inf if self.leaves_out else self.num_tokens)))
        if outside.any():
            raise InputError(
                f"{self.op}: expected numbers from 0 to {self.num_tokens - 1}, "
                f"got {x[outside][0]}: num_tokens={self.num_tokens} counts from 0"
            )
        index_weights = inputs[1].astype(self.dtype) if len(inputs) > 1 else None
        return self.encode(np.trunc(x), index_weights)


class Discretization(Encoding):
    """The bin of each number: the number of boundaries at or below it.

    Keras 3.15 ``keras/src/layers/preprocessing/discretization.py``.

    Args:
        boundaries: in ascending order.
        number: the dtype of the bins where ``output`` is ``int``.
    """

    op = "discretization"
    keeps_dtype = False
    boundaries: tuple[float, ...]
    number: str = "int32"

    def check(self) -> None:
        """The boundaries are in ascending order."""
        super().check()
        check_choice(self.op, "number", self.number, ("int32", "int64"))
        if any(not a <= b for a, b in zip(self.boundaries, self.boundaries[1:])):
            raise ValueError(
                f"{self.op}: expected boundaries in ascending order, "
                f"got {self.boundaries}"
            )

    def size(self) -> int:
        """The number of bins: boundaries + 1."""
        return len(self.boundaries) + 1

    def result_dtype(self) -> str | None:
        """``number`` for bins, the layer's dtype for vectors."""
        return self.number if self.output == "int" else self.dtype

    def breakpoints(self) -> tuple[float, ...]:
        """The boundaries."""
        return self.boundaries

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        bins = np.searchsorted(np.array(self.boundaries, x.dtype), x, side="right")
        return bins.astype(self.number) if self.output == "int" else self.encode(bins)


class IntegerLookup(Encoding):
    """The index of integers in a vocabulary.

    Index 0 is the mask token, if there is one; then come ``outside`` indices for
    integers that are not in the vocabulary, by their remainder modulo ``outside``; then
    the vocabulary.  Keras 3.15 ``keras/src/layers/preprocessing/index_lookup.py``.

    Args:
        vocabulary: the integers, each once.
        outside: the number of indices for integers that are not in the vocabulary; 0:
            such integers are an error.
        mask_token: a tuple of the mask token, or an empty one.
        padded: the number of categories; 0: as many as there are indices.
        whole: vectors are int64 too, as in Keras 3.
    """

    op = "integer_lookup"
    discrete_output = True
    vocabulary: tuple[int, ...]
    outside: int = 1
    mask_token: tuple[int, ...] = ()
    padded: int = 0
    whole: bool = False

    def check(self) -> None:
        """Integers are distinct, and ``padded`` is large enough."""
        super().check()
        check_minimum(self.op, "outside", [self.outside], 0)
        check_minimum(self.op, "vocabulary", [len(self.vocabulary)], 1)
        if len({*self.vocabulary, *self.mask_token}) < len(self.vocabulary) + len(
            self.mask_token
        ):
            raise ValueError(
                f"{self.op}: expected distinct integers in vocabulary and mask_token, "
                "got one twice"
            )
        if len(self.mask_token) > 1 or (self.mask_token and self.output != "int"):
            raise ValueError(
                f"{self.op}: expected at most one mask_token, and none with "
                f"output={self.output!r}; got {self.mask_token}"
            )
        if self.padded and self.padded < self._index_count():
            raise ValueError(
                f"{self.op}: padded is {self.padded}, expected 0 or at least "
                f"{self._index_count()}"
            )

    def _index_count(self) -> int:
        return len(self.mask_token) + self.outside + len(self.vocabulary)

    def size(self) -> int:
        """``padded``, or the number of indices."""
        return self.padded or self._index_count()

    def result_dtype(self) -> str | None:
        """int64 for indices and, with ``whole``, vectors; else the layer's dtype."""
        return "int64" if self.whole or self.output == "int" else self.dtype

    def special_values(self) -> tuple[float, ...]:
        """The mask token and the vocabulary."""
        return (*self.mask_token, *self.vocabulary)

    @property
    def only_special_values(self) -> bool:  # type: ignore[override]
        """Whether integers outside of the vocabulary are an error."""
        return not self.outside

    def preimage(self, number: float) -> float | None:
        """An integer whose index is this number; None if there is none."""
        if self.output != "int":
            return None
        candidates = range(self.outside, self.outside + len(self.vocabulary) + 2)
        unknown = {n % self.outside: n for n in candidates} if self.outside else {}
        known = {*self.special_values()}
        for remainder in unknown:
            while unknown[remainder] in known:
                unknown[remainder] += self.outside
        origins = (
            *self.mask_token,
            *(unknown[i] for i in range(self.outside)),
            *self.vocabulary,
        )
        index = int(number)
        return origins[index] if index == number and 0 <= index < len(origins) else None

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        if x.dtype.kind == "f":
            raise InputError(f"{self.op}: expected integers, got {x.dtype}")
        x = x.astype(np.int64)
        vocabulary = np.array(self.vocabulary, np.int64)
        order = np.argsort(vocabulary)
        sorted_index = np.searchsorted(vocabulary[order], x)
        sorted_index = np.minimum(sorted_index, len(vocabulary) - 1)
        known = vocabulary[order][sorted_index] == x
        first = len(self.mask_token)
        masked = x == self.mask_token[0] if self.mask_token else np.zeros_like(known)
        if not self.outside and not (known | masked).all():
            raise InputError(
                f"{self.op}: {x[~(known | masked)][0]} is not in the vocabulary"
            )
        remainder = x % self.outside if self.outside else np.zeros_like(x)
        in_vocabulary = order[sorted_index] + first + self.outside
        index = np.where(known, in_vocabulary, remainder + first)
        index = np.where(masked, 0, index)
        return index if self.output == "int" else self.encode(index)


LAYERS = {
    layer.op: layer for layer in (CategoryEncoding, Discretization, IntegerLookup)
}
